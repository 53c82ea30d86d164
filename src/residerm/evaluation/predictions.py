"""The predictions of a model for images of an archive, with their records; written as `predictions.csv`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from residerm.data.archives.records import Records
from residerm.inference import Predictor
from residerm.inference.predictor import Views
from residerm.outputs import Outputs, concatenated
from residerm.progress import SILENT, Progress
from residerm.runs import PredictionTable
from residerm.trust import Judgements

_BATCH = 128

Pixels = Callable[[np.ndarray], np.ndarray]  # rows → (n, size, size, 3) uint8


@dataclass(frozen=True)
class Predictions:
    """Predictions in the order of the archive; `rows` are the indices of the images in its records."""

    records: Records
    rows: np.ndarray
    classes: tuple[str, ...]
    labels: np.ndarray  # (n,) index into the classes
    probabilities: np.ndarray  # (n, classes)
    predicted: np.ndarray  # (n,) index of the predicted class
    outputs: Outputs  # of the model, in its own classes
    judgements: Judgements | None = None  # None: the model has no trust
    views: Views = 1

    @property
    def groups(self) -> np.ndarray:
        """The lesion or patient of each image."""
        groups: np.ndarray = self.records.groups[self.rows]
        return groups

    @property
    def sexes(self) -> list[str]:
        """The sex of each image's patient, empty if unknown."""
        return _named(self.records.table["sex"][self.rows], self.records.sexes)

    @property
    def sites(self) -> list[str]:
        """The anatomical site, empty if unknown."""
        return _named(self.records.table["site"][self.rows], self.records.sites)

    @property
    def ages(self) -> list[float | None]:
        """The age in years, None if unknown."""
        return [None if np.isnan(age) else float(age) for age in self.records.table["age"][self.rows]]

    @cached_property
    def table(self) -> PredictionTable:
        """The table that is written."""
        return PredictionTable(
            classes=self.classes,
            image_ids=[self.records.image_id(row) for row in self.rows],
            groups=[self.records.group(row) for row in self.rows],
            labels=self.labels,
            predicted=self.predicted,
            probabilities=self.probabilities,
            sexes=self.sexes,
            ages=self.ages,
            sites=self.sites,
        )


def outputs_of(
    predictor: Predictor, pixels: Pixels, rows: np.ndarray, *, views: Views = 1, progress: Progress = SILENT
) -> Outputs:
    """The model's outputs for some rows, computed in batches."""
    found = []
    for start in range(0, len(rows), _BATCH):
        found.append(predictor.outputs(pixels(rows[start : start + _BATCH]), views))
        progress.advance("predicting", min(start + _BATCH, len(rows)), len(rows))
    return concatenated(found)


def _named(codes: np.ndarray, names: tuple[str, ...]) -> list[str]:
    return [names[code] for code in codes.tolist()]
