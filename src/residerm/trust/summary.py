"""What a person reads of trust: what it was fitted on, what came out, and what it does not promise."""

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
    "Nothing here holds for images of another site, device or kind: fit it again there with `residerm calibrate`.",
    "An image that is not marked as an outlier can still show something that the model was never trained on.",
)
_CHOSEN = (
    "The validation part also chose the epoch whose weights were kept, which makes all of this slightly optimistic."
)


class CalibrationSummary(Options):
    """The calibration, and what it did to the log loss of lesions that it was not fitted on."""

    kind: Kind
    temperature: float | None
    log_loss_before: float
    log_loss_after: float


class SetSummary(Options):
    """The prediction sets: the classes for which the coverage holds by itself, and those for which it does not."""

    coverage: float
    by_class: tuple[str, ...]
    pooled: tuple[str, ...]
    mean_size: float


class AbstentionSummary(Options):
    """The confidence from which an answer is given; None where none is given."""

    error_rate: float
    threshold: float | None
    answered: float
    wrong: float | None


class OutlierSummary(Options):
    """The outlier score and its threshold; None where no image is marked, because there are too few lesions."""

    score: OutlierScore
    accepted: float
    threshold: float | None
    training_images: int


class TrustSummary(Options):
    """All that was fitted, in words and numbers for `model.json`, reports and cards."""

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
        """What was fitted, in sentences."""
        return (_of_calibration(self), _of_sets(self), _of_abstention(self), _of_outliers(self))

    @property
    def explained(self) -> tuple[str, ...]:
        """What calibrated probabilities and sets mean, and what they do not promise."""
        return (
            f"Probabilities, sets and thresholds were fitted on {self.lesions:,} lesions of {self.fitted_on}. "
            f"A set contains the true class of {self.sets.coverage:.0%} of lesions like these, on average.",
            *self.limits,
        )

    @field_validator("fitted_on", "limits", mode="after")
    @classmethod
    def _without_control_characters(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        """What comes with a bundle reaches terminals."""
        return printable(value) if isinstance(value, str) else tuple(map(printable, value))


def _of_calibration(summary: TrustSummary) -> str:
    said = summary.calibration
    if said.kind == "none":
        return "Probabilities are not calibrated."
    by = f"one temperature of {said.temperature:.3g}" if said.temperature else "a factor and a shift for each class"
    return (
        f"Probabilities are calibrated by {by}: log loss {said.log_loss_before:.3f} before, {said.log_loss_after:.3f} "
        "after (cross-validated)."
    )


def _of_sets(summary: TrustSummary) -> str:
    said = summary.sets
    return f"Sets for a coverage of {said.coverage:.0%} have {said.mean_size:.2f} classes in the mean."


def _of_abstention(summary: TrustSummary) -> str:
    said = summary.abstention
    if said.threshold is None or said.wrong is None:
        return f"No confidence gives at most {said.error_rate:.0%} errors: every answer is withheld."
    return (
        f"Answers take a confidence of {said.threshold:.1%}: {said.answered:.1%} of these lesions are answered, "
        f"{said.wrong:.1%} of them wrongly."
    )


def _of_outliers(summary: TrustSummary) -> str:
    said = summary.outliers
    if said.threshold is None:
        return "No image is marked as an outlier."
    against = f" against {said.training_images:,} training images" if said.training_images else ""
    return f"Outliers have a score of more than {said.threshold:.3g} ({said.score}{against})."


def summarise(
    given: Labelled, fitted: FittedJudge, options: TrustOptions, *, fitted_on: str, training_images: int
) -> TrustSummary:
    """The summary of what was fitted on labelled outputs."""
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
    """What the number of lesions did not allow."""
    said, total = [], sum(lesions.values())
    pooled = name_classes(tuple(lesions), ~judge.sets.by_class)
    if pooled:
        fewest = int(np.ceil(enough_lesions(options.coverage) - 1e-9))
        counts = ", ".join(f"{name} ({lesions[name]})" for name in pooled)
        said.append(
            f"Fewer lesions than the {fewest} that a coverage of their own takes: {counts}. These classes use the "
            "threshold of all lesions together, and their own coverage can be lower."
        )
    if judge.calibration.kind == "none":
        said.append(f"Not calibrated: {total} lesions are fewer than the {FEWEST_LESIONS} that this takes.")
    if not np.isfinite(judge.abstention.threshold):
        said.append(f"No confidence gives at most {options.error_rate:.0%} errors, so that every answer is withheld.")
    if not np.isfinite(judge.outlier_threshold):
        said.append("No image is marked as an outlier: there are too few lesions for a threshold.")
    return said


def _log_loss(probabilities: np.ndarray, given: Labelled) -> float:
    weights = lesion_weights(given.groups)
    of_label = probabilities[np.arange(len(given.labels)), given.labels]
    return float(-weights @ np.log(np.maximum(of_label, np.finfo(float).tiny)) / weights.sum())


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
