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
    """A finished epoch: its training and validation scores, and the epoch whose weights are kept after it."""

    epoch: int
    train_loss: float
    train_accuracy: float
    kept_epoch: int
    seconds: float  # of training, from the first epoch on
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, float]:
        """All columns of its row, by name."""
        before, after = ({name: getattr(self, name) for name in names} for names in (_BEFORE, _AFTER))
        return {**before, **self.scores, **after}

    @classmethod
    def from_values(cls, values: Mapping[str, str | float]) -> Epoch:
        """Create an epoch from a row; in older files without kept_epoch, the epoch itself was kept."""
        return cls(
            epoch=int(values["epoch"]),
            train_loss=float(values["train_loss"]),
            train_accuracy=float(values["train_accuracy"]),
            kept_epoch=int(values.get("kept_epoch") or values["epoch"]),
            seconds=float(values.get("seconds") or 0),
            scores={name: float(value) for name, value in values.items() if value != "" and name not in _NO_SCORES},
        )


def metrics_bytes(epochs: Sequence[Epoch]) -> bytes:
    """Format the table as CSV."""
    names = list(dict.fromkeys(name for epoch in epochs for name in epoch.scores))
    columns = (*_BEFORE, *names, *_AFTER)
    return table_bytes(columns, ([epoch.values.get(name, "") for name in columns] for epoch in epochs))


def read_metrics(path: Path) -> list[Epoch]:
    """The finished epochs; empty if the file does not exist yet."""
    rows = read_table(path, _BEFORE, DAMAGED_RUN) if path.exists() and path.stat().st_size else []
    try:
        return [Epoch.from_values(row) for row in rows]
    except ValueError as error:
        raise DocumentError(f"{path} cannot be used ({error}): {DAMAGED_RUN}") from error
