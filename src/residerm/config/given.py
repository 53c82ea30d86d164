"""Flat options by name, as given in a call or a file: each group takes its own, and unknown ones are refused.

given = Given({"size": 32, "batch_size": 16}, "train")
pixels, training = given.take(PixelSpec), given.take(TrainOptions)
given.refuse_rest()
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from pydantic import ValidationError

from residerm.config.base import FlatOptions, Options
from residerm.errors import UsageError, nearest, shortened

# Names that other libraries use for an option.
ALSO_CALLED = {
    "arch": "model", "batch": "batch_size", "bs": "batch_size", "crop": "aspect", "epoch": "epochs", "gpus": "devices",
    "image_size": "size", "img_size": "size", "learning_rate": "rate", "lr": "rate", "optim": "optimizer",
    "output": "out", "output_dir": "runs", "wd": "weight_decay",
}  # fmt: skip

Group = TypeVar("Group", bound=Options)


class Given:
    """Flat options, from which each group takes its own."""

    def __init__(self, options: Mapping[str, object], source: str) -> None:
        """`source`, where the options were given, begins each error message."""
        self._left, self._source, self._known = dict(options), source, list[str]()

    def take(self, kind: type[Group]) -> Group:
        """Take the options of one group and validate them."""
        self._known += kind.model_fields
        own = {name: self._left.pop(name) for name in kind.model_fields if name in self._left}
        try:
            return kind.model_validate(own)
        except ValidationError as error:
            raise refused(error, self._source) from error

    def rest(self) -> FlatOptions:
        """Return the options that no group has taken."""
        return dict(self._left)

    def refuse_rest(self) -> None:
        """Raise `UsageError`, with the nearest names, if there are options that no group has taken."""
        for unknown in self._left:
            raise UsageError(
                f"{self._source}: there is no option {shortened(unknown)}.{suggestion(str(unknown), self._known)}"
            )


def suggestion(name: str, known: Iterable[str]) -> str:
    """' Did you mean …?' for an unknown option: its name in residerm, or the nearest names."""
    other = ALSO_CALLED.get(name.replace("-", "_"))
    return f" Did you mean {other}?" if other in set(known) else nearest(name, known)


def refused(error: ValidationError, source: str) -> UsageError:
    """The first of pydantic's errors as a `UsageError`."""
    wrong = error.errors()[0]
    option, complaint = wrong["loc"][-1], wrong["msg"][0].lower() + wrong["msg"][1:]
    return UsageError(f"{source}: {option} is {shortened(wrong['input'])}: {complaint}")
