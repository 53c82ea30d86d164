"""Fit trust at the end of a training: calibration, thresholds and outlier scores, on images without augmentation.

Calibration and thresholds are fitted on the validation part, once for single views and once for the mean of eight; the
outlier score is fitted to the features of some training images (see `neighbours`).
"""

from __future__ import annotations

import numpy as np

from residerm.config import TrustOptions
from residerm.data.dataset import Dataset
from residerm.data.loading.cache import Cache
from residerm.errors import ResidermError
from residerm.inference import Predictor
from residerm.outputs import Outputs, Views, concatenated
from residerm.progress import SILENT, Progress
from residerm.training.neighbours import Reference, reference_of
from residerm.trust import Trust

_BATCH = 256


def fit_trust_of_joined(predictor: Predictor, dataset: Dataset, progress: Progress = SILENT) -> Trust | None:
    """Fit the trust of a model that joins others, all trained on this dataset."""
    reference = reference_of(predictor, dataset, progress)
    return fit_trust(predictor, dataset, reference, dataset.experiment.trust, progress)


def fit_trust(
    predictor: Predictor, dataset: Dataset, reference: Reference, options: TrustOptions, progress: Progress = SILENT
) -> Trust | None:
    """Fit trust on the validation part; None, with a remark, if that is impossible."""
    try:
        return _fit(predictor, dataset, reference, options, progress)
    except ResidermError as error:
        progress.remark(f"trust is not fitted, and probabilities are not calibrated: {error}")
        return None


def _fit(
    predictor: Predictor, dataset: Dataset, reference: Reference, options: TrustOptions, progress: Progress
) -> Trust:
    labels, rows = dataset.records.labels, dataset.validation_rows
    asked = _Asked(predictor, dataset.cache, progress, total=9 * len(rows))
    validation = asked.outputs(rows)
    known, groups = labels[rows], dataset.records.groups[rows]
    trust = Trust.fit(
        validation.logits, known, groups, validation.features, reference.outputs.features, labels[reference.rows],
        classes=predictor.description.classes, options=options,
    )  # fmt: skip
    return trust.with_eight_views(asked.outputs(rows, views=8), known, groups)


class _Asked:
    """Computes outputs for rows of a cache, and reports the progress over all views."""

    def __init__(self, predictor: Predictor, cache: Cache, progress: Progress, total: int) -> None:
        self._predictor, self._cache, self._progress = predictor, cache, progress
        self._done, self._total = 0, total

    def outputs(self, rows: np.ndarray, views: Views = 1) -> Outputs:
        """The outputs of some rows."""
        parts = [self._predictor.outputs(self._cache.pixels[:0])]
        for start in range(0, len(rows), _BATCH):
            some = rows[start : start + _BATCH]
            parts.append(self._predictor.outputs(self._cache.pixels[some], views))
            self._done += len(some) * views
            self._progress.advance("calibrating", self._done, self._total, unit="views")
        return concatenated(parts[1:] or parts)
