"""metrics.csv: a row for each finished epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from residerm.documents import DocumentError
from residerm.runs.documents import DAMAGED_RUN
from residerm.runs.tables import read_table, table_bytes

_BEFORE, _AFTER = ("epoch", "train_loss", "train_accuracy"), ("kept_epoch", "seconds")
_NO_SCORES = frozenset((*_BEFORE, *_AFTER))


@dataclass(frozen=True)
class Epoch:
    """A finished epoch: its training, the validation scores, and the epoch whose weights are kept after it."""

    epoch: int
    train_loss: float
    train_accuracy: float
    kept_epoch: int
    seconds: float  # of training, from the first epoch on
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, float]:
        """Every column of its row."""
        before, after = ({name: getattr(self, name) for name in names} for names in (_BEFORE, _AFTER))
        return {**before, **self.scores, **after}

    @classmethod
    def from_values(cls, values: Mapping[str, str | float]) -> Epoch:
        """The epoch of a row; rows from before there was a column kept_epoch kept their last epoch."""
        return cls(
            epoch=int(values["epoch"]),
            train_loss=float(values["train_loss"]),
            train_accuracy=float(values["train_accuracy"]),
            kept_epoch=int(values.get("kept_epoch") or values["epoch"]),
            seconds=float(values.get("seconds") or 0),
            scores={name: float(value) for name, value in values.items() if value != "" and name not in _NO_SCORES},
        )


def metrics_bytes(epochs: Sequence[Epoch]) -> bytes:
    """The table as it is written."""
    names = list(dict.fromkeys(name for epoch in epochs for name in epoch.scores))
    columns = (*_BEFORE, *names, *_AFTER)
    return table_bytes(columns, ([epoch.values.get(name, "") for name in columns] for epoch in epochs))


def read_metrics(path: Path) -> list[Epoch]:
    """The finished epochs; none where the file is not there yet."""
    rows = read_table(path, _BEFORE, DAMAGED_RUN) if path.exists() and path.stat().st_size else []
    try:
        return [Epoch.from_values(row) for row in rows]
    except ValueError as error:
        raise DocumentError(f"{path} cannot be used ({error}): {DAMAGED_RUN}") from error
