"""Calibration, prediction sets, abstention and outliers in the report and the card: tables, sentences and limits.

shown = shown_trust(evaluation)      None if the model has no trust
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from residerm.report.estimates import SCORES, ScoreText
from residerm.runs import Evaluation
from residerm.scores import Estimate
from residerm.scores.trust_results import CalibrationScores, GroupDifference, SelectiveScores, SetScores, TrustScores

SHARE, AREA, SIZE = ScoreText("Share", is_rate=True), ScoreText("Area"), ScoreText("Size")
_ON_AVERAGE = "This holds on average over lesions like those of the validation part, not for each patient."
LIMITS = {
    "calibration": "Calibrated probabilities are correct on average over many images, not for a single patient, and "
    "images from another site need a calibration of their own.",
    "sets": f"{_ON_AVERAGE} Under a shift, such as another device or population, nothing is guaranteed.",
    "selective": f"{_ON_AVERAGE} Lesions without an answer are not equally distributed over diagnoses.",
    "outliers": "An image that is not marked can still show something that the model was never trained on.",
    "differences": "The groups also differ in how typical their lesions are, so a difference alone does not show a "
    "bias of the model; and if none is found, there can still be one.",
    "decision": f"{_ON_AVERAGE} The threshold was chosen on the validation part, not here.",
}
_DIFFERENT = 0.05  # adjusted p-value below which a difference is highlighted
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
    """One source of outlier images."""

    source: str
    images: int
    auroc: str
    false_positive_rate: str
    marked: str


@dataclass(frozen=True)
class DifferenceRow:
    """The comparison of one group with all others."""

    group: str
    lesions: str
    score: str
    difference: str
    p: str
    clear: bool


@dataclass(frozen=True)
class ShownTrust:
    """The content of the section."""

    fitted_on: str
    fitted: Sequence[str]
    limits: Sequence[str]
    calibration: Sequence[tuple[str, str, str, str]]
    calibration_text: str
    sets: Sequence[SetRow]
    sets_text: str
    selective_text: str
    areas: Sequence[tuple[str, str]]
    marked: str
    outliers: Sequence[OutlierRow]
    differences: Sequence[DifferenceRow]
    compared: int
    not_compared: Sequence[str]
    decision_text: str


def shown_trust(evaluation: Evaluation) -> ShownTrust | None:
    """Format the trust scores of an evaluation."""
    trust = evaluation.scores.trust
    if trust is None:
        return None
    unit = evaluation.group_name
    return ShownTrust(
        fitted_on=trust.fitted_on,
        fitted=trust.fitted,
        limits=trust.limits,
        calibration=_calibration_rows(trust.calibration),
        calibration_text=_calibration_text(trust.calibration),
        sets=_set_rows(trust.sets, unit),
        sets_text=_sets_text(trust.sets, unit),
        selective_text=_selective_text(trust.selective, unit),
        areas=_areas(trust.selective),
        marked=_text(trust.marked, SHARE),
        outliers=_outlier_rows(trust),
        differences=[_difference_row(one, unit) for one in trust.differences if one.p_adjusted is not None],
        compared=sum(one.p_adjusted is not None for one in trust.differences),
        not_compared=[f"{name.capitalize()} is not compared: {why}." for name, why in trust.not_compared.items()],
        decision_text=_decision_text(trust),
    )


def _text(estimate: Estimate | None, score: ScoreText) -> str:
    """A value with its interval; a dash if there is none."""
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


def _calibration_text(found: CalibrationScores | None) -> str:
    if found is None:
        return ""
    change = found.change["calibration_error"].relative_to(0)
    verdict = {
        1: "Calibration increased it here.",
        -1: "Calibration reduced it.",
        0: "The change is not significant.",
        None: "It is unknown whether calibration changed it.",
    }[change]
    return (
        f"With perfect probabilities, the calibration error on this number of images would be about "
        f"{found.by_chance:.3f}.{_corrected(found)} {verdict}"
    )


def _corrected(found: CalibrationScores) -> str:
    if found.corrected_before is None or found.corrected_after is None:
        return ""
    return (
        f" Corrected for this, as a root mean square over the bins, it was {found.corrected_before:.3f} before and "
        f"{found.corrected_after:.3f} after calibration."
    )


def _set_rows(found: SetScores | None, unit: str) -> list[SetRow]:
    return [
        SetRow(
            name,
            _text(one.coverage, SHARE),
            _text(one.size, SIZE),
            f"{'its own' if one.own_threshold else 'that of all'}, {one.fitted_on:,} {unit}s",
            f"{100 * one.expected[0]:.0f} to {100 * one.expected[1]:.0f} %" if one.expected else "not guaranteed",
        )
        for name, one in (found.by_class.items() if found else ())
    ]


def _sets_text(found: SetScores | None, unit: str) -> str:
    if found is None:
        return ""
    return (
        "A prediction set contains the classes that cannot be ruled out. The requested coverage was "
        f"{found.level:.0%}: the sets contain the true class of {_text(found.coverage, SHARE)} of the {unit}s, and "
        f"have {_text(found.size, SIZE)} classes on average; {_text(found.single, SHARE)} contain a single class. The "
        "most probable class is always included, so classes that are easy to recognise can be covered more often."
    )


def _selective_text(found: SelectiveScores | None, unit: str) -> str:
    if found is None:
        return ""
    wrong = f", of which {_text(found.wrong, SHARE)} are wrong" if found.wrong.value is not None else ""
    return (
        f"The balanced accuracy of the most probable class is {_text(found.balanced_accuracy, SHARE)} on all images, "
        f"and {_text(found.balanced_accuracy_at_80, SHARE)} on the most confident 80 % of them. With the threshold "
        f"chosen for at most {found.error_rate:.0%} errors, {_text(found.answered, SHARE)} of the {unit}s are "
        f"answered{wrong}."
    )


def _areas(found: SelectiveScores | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    return [
        ("AURC, the area under the risk-coverage curve", _text(found.aurc, AREA)),
        ("AUGRC, the same with errors relative to all images", _text(found.augrc, AREA)),
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
        f"{one.lesions:,} vs. {one.others:,} {unit}s",
        _NAMES[one.score],
        _points(one.difference),
        "< 0.001" if p < 0.001 else f"{p:.3f}",
        p < _DIFFERENT,
    )


def _points(estimate: Estimate) -> str:
    """A difference of fractions, in percentage points."""
    if estimate.value is None:
        return "–"
    bounds = " ({:+.1f} to {:+.1f})".format(*(100 * end for end in estimate.interval)) if estimate.interval else ""
    return f"{100 * estimate.value:+.1f} points{bounds}"


def _decision_text(trust: TrustScores) -> str:
    found = trust.decision
    if found is None:
        return ""
    return (
        f"Images with a probability of malignancy of {found.threshold:.1%} or more are called malignant. The threshold "
        f"was chosen for a sensitivity of {found.asked:.0%}; on validation it had {found.validation_sensitivity:.1%} "
        f"at a specificity of {found.validation_specificity:.1%}. Here it has {_text(found.sensitivity, SHARE)}, at a "
        f"specificity of {_text(found.specificity, SHARE)}."
    )
