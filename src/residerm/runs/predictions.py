"""predictions.csv and outputs.npz: the predictions for each scored image, and its logits and features.

Both files hold the same images in the same order. Probabilities are written in full precision, so that reading
restores them exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from residerm.documents import DocumentError
from residerm.outputs import Outputs
from residerm.runs.tables import read_table
from residerm.spreadsheet import Writer

REMEDY = "remove the folder {folder} and run `residerm evaluate` again"
_ABOUT = ("image_id", "group", "label", "predicted")
_PERSON = ("sex", "age", "site")


@dataclass(frozen=True)
class PredictionTable:
    """The scored images and their predictions, in the order of their archive."""

    classes: tuple[str, ...]
    image_ids: Sequence[str]
    groups: Sequence[str]
    labels: np.ndarray  # (n,) index into the classes
    predicted: np.ndarray  # (n,) index of the predicted class
    probabilities: np.ndarray  # (n, classes)
    sexes: Sequence[str]  # empty where not known
    ages: Sequence[float | None]
    sites: Sequence[str]

    def __len__(self) -> int:
        return len(self.labels)

    def write(self, path: Path) -> None:
        """Write the table as CSV."""
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = Writer(stream)
            writer.row([*_ABOUT, *(f"p_{name}" for name in self.classes), *_PERSON])
            for row in range(len(self)):
                answer = [self.classes[self.labels[row]], self.classes[self.predicted[row]]]
                age = self.ages[row]
                person = [self.sexes[row], "" if age is None else f"{age:g}", self.sites[row]]
                probabilities = map(float, self.probabilities[row])
                writer.row([self.image_ids[row], self.groups[row], *answer, *probabilities, *person])

    @classmethod
    def read(cls, path: Path, classes: Sequence[str]) -> PredictionTable:
        """Read the table of an evaluation with these classes."""
        remedy = REMEDY.format(folder=path.parent)
        rows = read_table(path, ("label", *(f"p_{name}" for name in classes)), remedy)
        if not rows:
            raise DocumentError(f"{path} cannot be used (it has no rows): {remedy}")
        try:
            return cls(
                classes=tuple(classes),
                image_ids=[row.get("image_id", "") for row in rows],
                groups=[row.get("group", "") for row in rows],
                labels=_indices(rows, "label", classes),
                predicted=_indices(rows, "predicted", classes) if "predicted" in rows[0] else np.zeros(0, int),
                probabilities=np.array([[float(row[f"p_{name}"]) for name in classes] for row in rows]),
                sexes=[row.get("sex", "") for row in rows],
                ages=[float(row["age"]) if row.get("age") else None for row in rows],
                sites=[row.get("site", "") for row in rows],
            )
        except ValueError as error:
            raise DocumentError(f"{path} is damaged ({error}): {remedy}") from error


def write_outputs(path: Path, outputs: Outputs) -> None:
    """Write logits and features; maps are too large to be kept."""
    logits = outputs.logits.astype(np.float32)
    if outputs.features is None:
        np.savez(path, logits=logits)
    else:
        np.savez(path, logits=logits, features=outputs.features.astype(np.float32))


def read_outputs(path: Path) -> Outputs:
    """The logits and features of an evaluation."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Outputs(arrays["logits"], arrays.get("features"))
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise DocumentError(f"{path} cannot be used ({error}): {REMEDY.format(folder=path.parent)}") from error


def _indices(rows: Sequence[Mapping[str, str]], column: str, classes: Sequence[str]) -> np.ndarray:
    """The class indices of a column."""
    known = {name: number for number, name in enumerate(classes)}
    unknown = next((row[column] for row in rows if row[column] not in known), None)
    if unknown is not None:
        raise ValueError(f"{column} {unknown!r} is not one of the classes")
    return np.array([known[row[column]] for row in rows])
