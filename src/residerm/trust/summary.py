"""The summary of trust: the images on which it was fitted, the results, and its limits."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import field_validator

from residerm.config.base import Options
from residerm.config.trust import OutlierScore, TrustOptions
from residerm.errors import printable
from residerm.outputs import softmax
from residerm.trust.calibration import FEWEST_LESIONS, Kind
from residerm.trust.judge import FittedJudge, Judge, Labelled, name_classes
from residerm.trust.lesions import count_lesions, enough_lesions, lesion_weights

VALIDATION = "the validation part"
LIMITS = (
    "Prediction sets and thresholds hold on average over lesions like those they were fitted on, not for each patient.",
    "They are not valid for images from another site or device, or of another kind: fit them with `residerm "
    "calibrate`.",
    "An image that is not marked as an outlier can still show something that the model was never trained on.",
)
_CHOSEN = "The validation part was also used to select the epoch, which makes all of this slightly optimistic."


class CalibrationSummary(Options):
    """The calibration, and the log loss before and after, cross-validated by lesion."""

    kind: Kind
    temperature: float | None
    log_loss_before: float
    log_loss_after: float


class SetSummary(Options):
    """The prediction sets: the classes with their own threshold, and those that share one."""

    coverage: float
    by_class: tuple[str, ...]
    pooled: tuple[str, ...]
    mean_size: float


class AbstentionSummary(Options):
    """The confidence required for an answer; None if the model always abstains."""

    error_rate: float
    threshold: float | None
    answered: float
    wrong: float | None


class OutlierSummary(Options):
    """The outlier score and its threshold; None if there are too few lesions for one."""

    score: OutlierScore
    accepted: float
    threshold: float | None
    training_images: int


class TrustSummary(Options):
    """The summary of everything that was fitted, for `model.json`, reports and cards."""

    format: Literal[1] = 1
    fitted_on: str
    images: int
    lesions: int
    lesions_by_class: dict[str, int]
    calibration: CalibrationSummary
    sets: SetSummary
    abstention: AbstentionSummary
    outliers: OutlierSummary
    malignant: tuple[str, ...]
    limits: tuple[str, ...]

    @property
    def figures(self) -> tuple[str, ...]:
        """Sentences about the results."""
        return (_of_calibration(self), _of_sets(self), _of_abstention(self), _of_outliers(self))

    @property
    def explained(self) -> tuple[str, ...]:
        """Sentences about the meaning of calibrated probabilities and sets, and their limits."""
        return (
            f"Probabilities, sets and thresholds were fitted on {self.lesions:,} lesions of {self.fitted_on}. "
            f"A set contains the true class of {self.sets.coverage:.0%} of lesions like these, on average.",
            *self.limits,
        )

    @field_validator("fitted_on", "limits", mode="after")
    @classmethod
    def _without_control_characters(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        """Remove control characters, because these texts of a bundle are printed on terminals."""
        return printable(value) if isinstance(value, str) else tuple(map(printable, value))


def _of_calibration(summary: TrustSummary) -> str:
    fitted = summary.calibration
    if fitted.kind == "none":
        return "Probabilities are not calibrated."
    by = f"a temperature of {fitted.temperature:.3g}" if fitted.temperature else "a factor and a shift for each class"
    return (
        f"Probabilities are calibrated by {by}: log loss {fitted.log_loss_before:.3f} before, "
        f"{fitted.log_loss_after:.3f} after (cross-validated)."
    )


def _of_sets(summary: TrustSummary) -> str:
    fitted = summary.sets
    return f"Prediction sets with a coverage of {fitted.coverage:.0%} have {fitted.mean_size:.2f} classes on average."


def _of_abstention(summary: TrustSummary) -> str:
    fitted = summary.abstention
    if fitted.threshold is None or fitted.wrong is None:
        return f"No confidence has an error rate of at most {fitted.error_rate:.0%}: the model always abstains."
    return (
        f"Answers require a confidence of {fitted.threshold:.1%}: {fitted.answered:.1%} of these lesions are answered, "
        f"{fitted.wrong:.1%} of them wrongly."
    )


def _of_outliers(summary: TrustSummary) -> str:
    fitted = summary.outliers
    if fitted.threshold is None:
        return "No image is marked as an outlier."
    against = f" against {fitted.training_images:,} training images" if fitted.training_images else ""
    return f"Outliers have a score of more than {fitted.threshold:.3g} ({fitted.score}{against})."


def summarise(
    given: Labelled, fitted: FittedJudge, options: TrustOptions, *, fitted_on: str, training_images: int
) -> TrustSummary:
    """Summarise what was fitted on labelled outputs."""
    judge, classes = fitted.judge, given.classes
    lesions = {name: count_lesions(given.groups[given.labels == number]) for number, name in enumerate(classes)}
    return TrustSummary(
        fitted_on=fitted_on,
        images=len(given.labels),
        lesions=count_lesions(given.groups),
        lesions_by_class=lesions,
        calibration=CalibrationSummary(
            kind=judge.calibration.kind,
            temperature=judge.calibration.temperature,
            log_loss_before=_log_loss(softmax(given.outputs.logits.astype(np.float64)), given),
            log_loss_after=_log_loss(fitted.held_out, given),
        ),
        sets=_sets(judge, fitted.held_out, given),
        abstention=AbstentionSummary(
            error_rate=options.error_rate,
            threshold=_finite(judge.abstention.threshold),
            answered=judge.abstention.answered,
            wrong=judge.abstention.wrong,
        ),
        outliers=OutlierSummary(
            score=options.outlier_score,
            accepted=options.accepted,
            threshold=_finite(judge.outlier_threshold),
            training_images=training_images,
        ),
        malignant=name_classes(classes, judge.decision.malignant) if judge.decision else (),
        limits=(*_limits(judge, lesions, options), *([_CHOSEN] if fitted_on == VALIDATION else []), *LIMITS),
    )


def _sets(judge: Judge, held_out: np.ndarray, given: Labelled) -> SetSummary:
    weights = lesion_weights(given.groups)
    return SetSummary(
        coverage=judge.sets.coverage,
        by_class=name_classes(given.classes, judge.sets.by_class),
        pooled=name_classes(given.classes, ~judge.sets.by_class),
        mean_size=float(weights @ judge.sets.of(held_out).sum(axis=1) / weights.sum()),
    )


def _limits(judge: Judge, lesions: dict[str, int], options: TrustOptions) -> list[str]:
    """Sentences about the limits that result from too few lesions."""
    limits, total = [], sum(lesions.values())
    pooled = name_classes(tuple(lesions), ~judge.sets.by_class)
    if pooled:
        fewest = int(np.ceil(enough_lesions(options.coverage) - 1e-9))
        counts = ", ".join(f"{name} ({lesions[name]})" for name in pooled)
        limits.append(
            f"Classes with fewer lesions than the {fewest} required for their own threshold: {counts}. They use the "
            "threshold of all lesions, and their coverage can be lower."
        )
    if judge.calibration.kind == "none":
        limits.append(f"Not calibrated: there are {total} lesions, fewer than the required {FEWEST_LESIONS}.")
    if not np.isfinite(judge.abstention.threshold):
        limits.append(
            f"No confidence has an error rate of at most {options.error_rate:.0%}: the model always abstains."
        )
    if not np.isfinite(judge.outlier_threshold):
        limits.append("No image is marked as an outlier: there are too few lesions for a threshold.")
    return limits


def _log_loss(probabilities: np.ndarray, given: Labelled) -> float:
    weights = lesion_weights(given.groups)
    of_label = probabilities[np.arange(len(given.labels)), given.labels]
    return float(-weights @ np.log(np.maximum(of_label, np.finfo(float).tiny)) / weights.sum())


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
