"""Fit and apply trust for outputs of one kind: single views, or the mean of eight.

Thresholds are set on probabilities whose calibration was fitted on other lesions, like those of new images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from residerm.config.trust import TrustOptions
from residerm.errors import UsageError, listed
from residerm.outputs import Outputs
from residerm.trust.abstention import Abstention, confidence, fit_abstention
from residerm.trust.calibration import Calibration, fit_calibration
from residerm.trust.decision import MalignancyRule, fit_decision
from residerm.trust.lesions import upper_quantile
from residerm.trust.outliers import OutlierScorer
from residerm.trust.sets import PredictionSets, fit_sets


@dataclass(frozen=True, eq=False)
class Judgements:
    """The judgements about some images, one row for each."""

    probabilities: np.ndarray  # (n, classes), calibrated
    sets: np.ndarray  # (n, classes) of bool
    confidence: np.ndarray  # (n,)
    abstain: np.ndarray  # (n,) of bool
    outlier_score: np.ndarray  # (n,), higher means less similar to the training images
    outlier: np.ndarray  # (n,) of bool

    def __len__(self) -> int:
        return len(self.probabilities)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Outputs of images that the model was not trained on, with their classes and lesions."""

    outputs: Outputs
    labels: np.ndarray
    groups: np.ndarray
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Validate shapes and values."""
        logits, count = self.outputs.logits, len(self.labels)
        if count == 0:
            raise UsageError("there are no validation images to fit calibration and thresholds on")
        if logits.shape != (count, len(self.classes)):
            raise UsageError(
                f"logits have shape {logits.shape}, not that of {count} images and {len(self.classes)} classes"
            )
        if len(self.groups) != count:
            raise UsageError(f"groups: there are {len(self.groups)} for {count} images")
        if not np.issubdtype(self.labels.dtype, np.integer) or not np.isin(self.labels, range(logits.shape[1])).all():
            raise UsageError(f"labels must be integers from 0 to {len(self.classes) - 1}, one for each image")
        require_finite(self.outputs)


@dataclass(frozen=True, eq=False)
class Judge:
    """Calibration, and the thresholds of sets, abstention, malignancy and outliers."""

    calibration: Calibration
    sets: PredictionSets
    abstention: Abstention
    decision: MalignancyRule | None
    outlier_threshold: float

    def of(self, outputs: Outputs, score: OutlierScorer) -> Judgements:
        """Judge some outputs."""
        require_finite(outputs)
        probabilities = self.calibration.probabilities(outputs.logits)
        unlike = score.score(outputs)
        return Judgements(
            probabilities,
            self.sets.of(probabilities),
            confidence(probabilities),
            self.abstention.of(probabilities),
            unlike,
            unlike > self.outlier_threshold,
        )


@dataclass(frozen=True, eq=False)
class FittedJudge:
    """A judge, with the validation probabilities on which its thresholds were set."""

    judge: Judge
    held_out: np.ndarray


def fit_judge(given: Labelled, score: OutlierScorer, options: TrustOptions) -> FittedJudge:
    """Fit everything on labelled outputs."""
    labels, groups = given.labels, given.groups
    fitted = fit_calibration(given.outputs.logits, labels, groups)
    held_out = fitted.held_out
    judge = Judge(
        fitted.calibration,
        fit_sets(held_out, labels, groups, options.coverage),
        fit_abstention(held_out, labels, groups, options.error_rate),
        fit_decision(held_out, labels, groups, given.classes),
        upper_quantile(score.score(given.outputs), groups, options.accepted),
    )
    return FittedJudge(judge, held_out)


def require_finite(outputs: Outputs) -> None:
    """Raise `UsageError` for outputs that are not finite."""
    for name, values in (("logits", outputs.logits), ("features", outputs.features)):
        if values is None:
            continue
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            raise UsageError(
                f"the {name} of image {listed(bad)} are not finite: the weights are damaged, or the computation failed"
            )


def name_classes(classes: Sequence[str], chosen: np.ndarray) -> tuple[str, ...]:
    """The names of chosen classes."""
    return tuple(name for name, one in zip(classes, chosen, strict=True) if one)
