"""What scoring says of trust: calibration, prediction sets, abstention, outliers and differences between groups.

Shares of sets and of errors count each lesion once, as the thresholds were fitted; all other scores count images.
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
    by_chance: float  # the calibration error that perfect probabilities would have on as many images
    reliability_before: list[ReliabilityBin]
    reliability_after: list[ReliabilityBin]


class ClassSets(Section):
    """The prediction sets of the lesions of one class."""

    own_threshold: bool
    fitted_on: int  # lesions
    expected: tuple[float, float] | None = None  # the coverage that so few lesions allow to expect, 95 %
    coverage: Estimate
    size: Estimate


class SetScores(Section):
    """The prediction sets of all lesions, and of each class."""

    level: float
    coverage: Estimate
    size: Estimate
    single: Estimate  # share of the sets that hold one class
    by_class: dict[str, ClassSets]


class SelectiveScores(Section):
    """Answering the most confident images alone."""

    aurc: Estimate
    augrc: Estimate
    balanced_accuracy: Estimate  # of all images
    balanced_accuracy_at_80: Estimate  # of the most confident 80 %
    error_rate: float  # that the threshold was chosen for
    answered: Estimate
    wrong: Estimate  # share of those answered
    curve: list[tuple[float, float]]  # coverage, share of errors
    chosen: tuple[float, float] | None = None  # where the threshold lies on it


class OutlierScores(Section):
    """Images from elsewhere, told from the scored ones."""

    source: str
    images: int
    auroc: Estimate
    false_positive_rate: Estimate  # at 95 % of the scored images accepted
    marked: Estimate  # share above the threshold that was chosen on validation


class GroupDifference(Section):
    """A score of one group, less that of all others whose group is known."""

    attribute: str
    value: str
    score: str
    lesions: int
    others: int  # lesions
    difference: Estimate
    p: float | None = None
    p_adjusted: float | None = None  # by Holm's method, over all differences of the evaluation


class DecisionScores(Section):
    """A threshold on the probability of malignancy, on validation and here."""

    asked: float
    threshold: float
    validation_sensitivity: float
    validation_specificity: float
    sensitivity: Estimate
    specificity: Estimate


class TrustScores(Section):
    """How far the answers of an evaluation could be relied on."""

    fitted_on: str
    fitted: tuple[str, ...]  # sentences: what was fitted
    limits: tuple[str, ...]  # sentences: what it does not promise
    calibration: CalibrationScores | None = None
    sets: SetScores | None = None
    selective: SelectiveScores | None = None
    marked: Estimate | None = None  # share of the scored lesions that count as outliers
    outliers: tuple[OutlierScores, ...] = ()
    differences: tuple[GroupDifference, ...] = ()
    not_compared: dict[str, str] = Field(default_factory=dict)  # attribute → why its groups are not compared
    decision: DecisionScores | None = None
