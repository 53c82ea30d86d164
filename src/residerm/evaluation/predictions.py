"""What a model says of the images of an archive, beside what they are: a row an image, kept as `predictions.csv`."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from residerm.data.archives.records import Records
from residerm.data.loading.cache import Cache
from residerm.inference import Predictor
from residerm.inference.predictor import Views
from residerm.progress import SILENT, Progress

_BATCH = 128


@dataclass(frozen=True)
class Predictions:
    """Images in the order of their archive; `rows` are their records."""

    records: Records
    rows: np.ndarray
    classes: tuple[str, ...]
    labels: np.ndarray  # (n,) index into the classes
    probabilities: np.ndarray  # (n, classes)
    predicted: np.ndarray  # (n,) index of the class that is named

    @property
    def groups(self) -> np.ndarray:
        """The lesion or patient of each image."""
        groups: np.ndarray = self.records.groups[self.rows]
        return groups

    @property
    def sexes(self) -> list[str]:
        """The sex of each image's patient, empty where it is not known."""
        return _named(self.records.table["sex"][self.rows], self.records.sexes)

    @property
    def sites(self) -> list[str]:
        """The place on the body, empty where it is not known."""
        return _named(self.records.table["site"][self.rows], self.records.sites)

    @property
    def ages(self) -> list[float | None]:
        """Years, None where not known."""
        return [None if np.isnan(age) else float(age) for age in self.records.table["age"][self.rows]]

    def write(self, path: Path) -> None:
        """Write them as a table."""
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            names = [f"p_{name}" for name in self.classes]
            writer.writerow(["image_id", "group", "label", "predicted", *names, "sex", "age", "site"])
            about = zip(self.rows, self.labels, self.predicted, self.probabilities, strict=True)
            for (row, label, predicted, shares), sex, age, site in zip(
                about, self.sexes, self.ages, self.sites, strict=True
            ):
                said = [self.classes[label], self.classes[predicted], *(f"{share:.6f}" for share in shares)]
                ids = [self.records.image_id(row), self.records.group(row)]
                writer.writerow([*ids, *said, sex, "" if age is None else f"{age:g}", site])


def probabilities_of(
    predictor: Predictor, cache: Cache, rows: np.ndarray, *, views: Views = 1, progress: Progress = SILENT
) -> np.ndarray:
    """The model's probabilities of some images of a cache."""  # (rows, classes)
    found = [np.zeros((0, len(predictor.description.classes)), np.float32)]
    for start in range(0, len(rows), _BATCH):
        found.append(predictor.predict_pixels(cache.pixels[rows[start : start + _BATCH]], views))
        progress.advance("predicting", min(start + _BATCH, len(rows)), len(rows))
    return np.concatenate(found)


def _named(codes: np.ndarray, names: tuple[str, ...]) -> list[str]:
    return [names[code] for code in codes.tolist()]
