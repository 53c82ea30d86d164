"""The scores of trust: calibration, prediction sets, abstention, outliers and differences between groups.

The scores of sets and of abstention count each lesion once, like the fit of the thresholds; all others count images.
"""

from __future__ import annotations

from pydantic import Field

from residerm.documents import Section
from residerm.scores.results import Estimate, ReliabilityBin


class CalibrationScores(Section):
    """Calibration error, log loss and Brier score before and after, and their paired change."""

    kind: str
    before: dict[str, Estimate]
    after: dict[str, Estimate]
    change: dict[str, Estimate]  # after minus before
    by_chance: float  # the calibration error that perfectly calibrated probabilities would have on as many images
    corrected_before: float | None = None  # root mean square error without what is expected by chance
    corrected_after: float | None = None  # None in files of earlier versions
    reliability_before: list[ReliabilityBin]
    reliability_after: list[ReliabilityBin]


class ClassSets(Section):
    """The prediction sets of the lesions of one class."""

    own_threshold: bool
    fitted_on: int  # lesions
    expected: tuple[float, float] | None = None  # the 95 % range of the coverage for that number of lesions
    coverage: Estimate
    size: Estimate


class SetScores(Section):
    """The prediction sets of all lesions, and of each class."""

    level: float
    coverage: Estimate
    size: Estimate
    single: Estimate  # fraction of the sets with one class
    by_class: dict[str, ClassSets]


class SelectiveScores(Section):
    """Selective prediction: answering only the most confident images."""

    aurc: Estimate
    augrc: Estimate
    balanced_accuracy: Estimate  # of all images
    balanced_accuracy_at_80: Estimate  # of the most confident 80 %
    error_rate: float  # for which the threshold was chosen
    answered: Estimate
    wrong: Estimate  # fraction of those answered
    curve: list[tuple[float, float]]  # coverage, error rate
    chosen: tuple[float, float] | None = None  # the point of the threshold on the curve


class OutlierScores(Section):
    """How well images from elsewhere are distinguished from the scored ones."""

    source: str
    images: int
    auroc: Estimate
    false_positive_rate: Estimate  # at 95 % of the scored images accepted
    marked: Estimate  # fraction above the threshold chosen on validation


class GroupDifference(Section):
    """A score of one group minus that of all others whose group is known."""

    attribute: str
    value: str
    score: str
    lesions: int
    others: int  # lesions
    difference: Estimate
    p: float | None = None
    p_adjusted: float | None = None  # by Holm's method, over all differences of the evaluation


class DecisionScores(Section):
    """The scores of a threshold on the probability of malignancy, on validation and here."""

    asked: float
    threshold: float
    validation_sensitivity: float
    validation_specificity: float
    sensitivity: Estimate
    specificity: Estimate


class TrustScores(Section):
    """How reliable the predictions of an evaluation are."""

    fitted_on: str
    fitted: tuple[str, ...]  # sentences: what was fitted
    limits: tuple[str, ...]  # sentences: its limitations
    calibration: CalibrationScores | None = None
    sets: SetScores | None = None
    selective: SelectiveScores | None = None
    marked: Estimate | None = None  # fraction of the scored lesions that count as outliers
    outliers: tuple[OutlierScores, ...] = ()
    differences: tuple[GroupDifference, ...] = ()
    not_compared: dict[str, str] = Field(default_factory=dict)  # attribute → why its groups are not compared
    decision: DecisionScores | None = None
