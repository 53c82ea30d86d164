"""How far the answers can be relied on, as a report and a card say it: tables and sentences, each with its limit.

shown = shown_trust(evaluation)      None where the model has nothing that judges its answers
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from residerm.report.estimates import SCORES, Score
from residerm.runs import Evaluation
from residerm.scores import Estimate
from residerm.scores.trust_results import CalibrationScores, GroupDifference, SelectiveScores, SetScores, TrustScores

SHARE, AREA, SIZE = Score("Share", is_rate=True), Score("Area"), Score("Size")
_ON_AVERAGE = "This holds on average over lesions like those of the validation part, not for each patient."
LIMITS = {
    "calibration": "Calibrated means right in the mean over many images: they do not hold for a single patient, and "
    "images of another site need a calibration of their own.",
    "sets": f"{_ON_AVERAGE} Under a shift, such as another device or population, nothing is promised.",
    "selective": f"{_ON_AVERAGE} What is left unanswered is not equally distributed over diagnoses.",
    "outliers": "An image that is not marked can still show something that the model was never trained on.",
    "differences": "The groups also differ in how typical their lesions are, so that a difference is not by itself a "
    "bias of the model; and where none is found, there can still be one.",
    "decision": f"{_ON_AVERAGE} The threshold was chosen on the validation part, not here.",
}
_DIFFERENT = 0.05  # the level of an adjusted p-value below which a difference is shown as one
_NAMES = {"balanced_accuracy": "balanced accuracy", "sensitivity": "sensitivity to malignancy", "coverage": "coverage"}


@dataclass(frozen=True)
class SetRow:
    """The prediction sets of one class."""

    name: str
    coverage: str
    size: str
    basis: str
    expected: str


@dataclass(frozen=True)
class OutlierRow:
    """One source of images from elsewhere."""

    source: str
    images: int
    auroc: str
    false_positive_rate: str
    marked: str


@dataclass(frozen=True)
class DifferenceRow:
    """One group against all others."""

    group: str
    lesions: str
    score: str
    difference: str
    p: str
    clear: bool


@dataclass(frozen=True)
class ShownTrust:
    """Everything that is shown."""

    fitted_on: str
    fitted: Sequence[str]
    limits: Sequence[str]
    calibration: Sequence[tuple[str, str, str, str]]
    calibration_told: str
    sets: Sequence[SetRow]
    sets_told: str
    selective_told: str
    areas: Sequence[tuple[str, str]]
    marked: str
    outliers: Sequence[OutlierRow]
    differences: Sequence[DifferenceRow]
    compared: int
    not_compared: Sequence[str]
    decision_told: str


def shown_trust(evaluation: Evaluation) -> ShownTrust | None:
    """What is shown of an evaluation."""
    trust = evaluation.scores.trust
    if trust is None:
        return None
    unit = evaluation.group_name
    return ShownTrust(
        fitted_on=trust.fitted_on,
        fitted=trust.fitted,
        limits=trust.limits,
        calibration=_calibration_rows(trust.calibration),
        calibration_told=_calibration_told(trust.calibration),
        sets=_set_rows(trust.sets, unit),
        sets_told=_sets_told(trust.sets, unit),
        selective_told=_selective_told(trust.selective, unit),
        areas=_areas(trust.selective),
        marked=_text(trust.marked, SHARE),
        outliers=_outlier_rows(trust),
        differences=[_difference_row(one, unit) for one in trust.differences if one.p_adjusted is not None],
        compared=sum(one.p_adjusted is not None for one in trust.differences),
        not_compared=[f"{name.capitalize()} is not compared: {why}." for name, why in trust.not_compared.items()],
        decision_told=_decision_told(trust),
    )


def _text(estimate: Estimate | None, score: Score) -> str:
    """A value with its interval; a dash where there is none."""
    if estimate is None or estimate.value is None:
        return "–"
    bounds = score.bounds(estimate)
    return f"{score.write(estimate.value)} ({bounds})" if bounds else score.write(estimate.value)


def _calibration_rows(found: CalibrationScores | None) -> list[tuple[str, str, str, str]]:
    if found is None:
        return []
    rows = []
    for name in found.before:
        before, after, change = (_text(part[name], SCORES[name]) for part in (found.before, found.after, found.change))
        rows.append((SCORES[name].title, before, after, change))
    return rows


def _calibration_told(found: CalibrationScores | None) -> str:
    if found is None:
        return ""
    change = found.change["calibration_error"].relative_to(0)
    verdict = {
        1: "Calibration has made it worse here.",
        -1: "Calibration has lowered it.",
        0: "The change is within what chance does.",
        None: "Whether calibration has changed it cannot be said.",
    }[change]
    return (
        f"Even if every probability were true, the calibration error would be about {found.by_chance:.3f} on so few "
        f"images. {verdict}"
    )


def _set_rows(found: SetScores | None, unit: str) -> list[SetRow]:
    return [
        SetRow(
            name,
            _text(one.coverage, SHARE),
            _text(one.size, SIZE),
            f"{'its own' if one.own_threshold else 'that of all'}, {one.fitted_on:,} {unit}s",
            f"{100 * one.expected[0]:.0f} to {100 * one.expected[1]:.0f} %" if one.expected else "not promised",
        )
        for name, one in (found.by_class.items() if found else ())
    ]


def _sets_told(found: SetScores | None, unit: str) -> str:
    if found is None:
        return ""
    return (
        "A prediction set holds the classes that cannot be ruled out. The coverage asked for was "
        f"{found.level:.0%}: the sets contain the true class of {_text(found.coverage, SHARE)} of the {unit}s, and "
        f"have {_text(found.size, SIZE)} classes in the mean; {_text(found.single, SHARE)} hold one class alone. The "
        "most probable class is always in its set, so that a class which is easy to tell can be covered more often."
    )


def _selective_told(found: SelectiveScores | None, unit: str) -> str:
    if found is None:
        return ""
    return (
        f"Balanced accuracy of the most probable class is {_text(found.balanced_accuracy, SHARE)} on all images, and "
        f"{_text(found.balanced_accuracy_at_80, SHARE)} on the most confident 80 % of them. With the threshold "
        f"chosen for at most {found.error_rate:.0%} errors, {_text(found.answered, SHARE)} of the {unit}s are "
        f"answered, and {_text(found.wrong, SHARE)} of these wrongly."
    )


def _areas(found: SelectiveScores | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    return [
        ("AURC, the area under the share of errors over coverage", _text(found.aurc, AREA)),
        ("AUGRC, the same with errors as a share of all images", _text(found.augrc, AREA)),
    ]


def _outlier_rows(trust: TrustScores) -> list[OutlierRow]:
    return [
        OutlierRow(
            one.source,
            one.images,
            _text(one.auroc, AREA),
            _text(one.false_positive_rate, SHARE),
            _text(one.marked, SHARE),
        )
        for one in trust.outliers
    ]


def _difference_row(one: GroupDifference, unit: str) -> DifferenceRow:
    p = one.p_adjusted if one.p_adjusted is not None else 1.0
    return DifferenceRow(
        f"{one.attribute}: {one.value}",
        f"{one.lesions:,} against {one.others:,} {unit}s",
        _NAMES[one.score],
        _points(one.difference),
        "< 0.001" if p < 0.001 else f"{p:.3f}",
        p < _DIFFERENT,
    )


def _points(estimate: Estimate) -> str:
    """A difference of shares, in points."""
    if estimate.value is None:
        return "–"
    bounds = " ({:+.1f} to {:+.1f})".format(*(100 * end for end in estimate.interval)) if estimate.interval else ""
    return f"{100 * estimate.value:+.1f} points{bounds}"


def _decision_told(trust: TrustScores) -> str:
    found = trust.decision
    if found is None:
        return ""
    return (
        f"Called malignant is what has a probability of malignancy of {found.threshold:.1%} or more. The threshold was "
        f"chosen for a sensitivity of {found.asked:.0%}; on validation it gave {found.validation_sensitivity:.1%} at a "
        f"specificity of {found.validation_specificity:.1%}. Here it gives {_text(found.sensitivity, SHARE)}, at a "
        f"specificity of {_text(found.specificity, SHARE)}."
    )
