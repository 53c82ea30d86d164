"""The decision between malignant and benign at a chosen sensitivity: the threshold, and its specificity.

    probability of malignancy = the sum of the calibrated probabilities of the malignant classes

The probabilities of the validation lesions are stored, so that any sensitivity can be chosen later. A new malignant
lesion reaches the threshold with at least this probability; with n lesions, n / (n + 1) is the highest possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from residerm.errors import UsageError
from residerm.taxonomy import mapping_for
from residerm.trust.lesions import count_lesions, enough_lesions, lesion_weights, lower_quantile


@dataclass(frozen=True)
class Threshold:
    """A threshold on the probability of malignancy, and its effect on the validation lesions."""

    asked: float
    threshold: float
    sensitivity: float
    specificity: float
    malignant: int  # lesions
    benign: int

    @property
    def explained(self) -> str:
        """A sentence about the threshold and its specificity."""
        return (
            f"images with a probability of malignancy of {self.threshold:.1%} or more are called malignant: on "
            f"validation, {self.sensitivity:.1%} of {self.malignant} malignant lesions and "
            f"{1 - self.specificity:.1%} of {self.benign} benign ones (specificity {self.specificity:.1%})"
        )


@dataclass(frozen=True, eq=False)
class MalignancyRule:
    """The malignant classes, and the probability of malignancy of the validation lesions."""

    malignant: np.ndarray  # (classes,) of bool
    probability: np.ndarray  # (n,)
    positive: np.ndarray  # (n,) of bool
    groups: np.ndarray  # (n,)

    def threshold(self, sensitivity: float) -> Threshold:
        """The threshold for a sensitivity; an error if there are too few malignant lesions."""
        if not 0 < sensitivity < 1:
            raise UsageError(f"sensitivity is {sensitivity}: it must be between 0 and 1")
        lesions = count_lesions(self.groups[self.positive])
        if lesions < enough_lesions(sensitivity):
            raise UsageError(
                f"sensitivity {sensitivity} requires {np.ceil(enough_lesions(sensitivity)):.0f} malignant validation "
                f"lesions, but there are {lesions}: choose a lower sensitivity"
            )
        at = lower_quantile(self.probability[self.positive], self.groups[self.positive], sensitivity)
        called = self.probability >= at
        return Threshold(
            sensitivity,
            at,
            _share(called, self.positive, self.groups),
            _share(~called, ~self.positive, self.groups),
            lesions,
            count_lesions(self.groups[~self.positive]),
        )

    def named(self, probabilities: np.ndarray, threshold: float) -> np.ndarray:
        """The index of the most probable malignant or benign class of each image, depending on the threshold."""
        called = probabilities @ self.malignant >= threshold
        allowed = called[:, None] == self.malignant
        classes: np.ndarray = np.where(allowed, probabilities, -1).argmax(axis=1)
        return classes


def malignant_classes(classes: Sequence[str]) -> np.ndarray | None:
    """Which classes are malignant (or melanoma, for that task); None if this is unknown."""
    for task, name in (("malignancy", "malignant"), ("melanoma", "melanoma")):
        try:
            mapping = mapping_for(task, tuple(classes))  # type: ignore[arg-type]
        except UsageError:
            continue
        return np.array([mapping.target(one) == name for one in classes])
    return None


def fit_decision(
    probabilities: np.ndarray, labels: np.ndarray, groups: np.ndarray, classes: Sequence[str]
) -> MalignancyRule | None:
    """Fit the rule; None if it is unknown which classes are malignant, or if all lesions are malignant or benign."""
    malignant = malignant_classes(classes)
    if malignant is None:
        return None
    positive = malignant[labels]
    if positive.all() or not positive.any():
        return None
    number = np.unique(groups, return_inverse=True)[1]
    return MalignancyRule(malignant, probabilities @ malignant, positive, number)


def _share(chosen: np.ndarray, among: np.ndarray, groups: np.ndarray) -> float:
    if not among.any():
        return float("nan")
    weights = lesion_weights(groups[among])
    return float(weights @ chosen[among] / weights.sum())
