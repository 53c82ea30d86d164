"""Malignant or benign at a chosen sensitivity: the threshold that this takes, and the specificity that it costs.

    probability of malignancy = the sum of the calibrated probabilities of the malignant classes

What is kept are the validation lesions' probabilities, so that any sensitivity can be asked for later. The threshold
is the one that a new malignant lesion reaches with at least this probability; n lesions reach at most n / (n + 1).
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
    """A threshold on the probability of malignancy, and what it did on the validation lesions."""

    asked: float
    threshold: float
    sensitivity: float
    specificity: float
    malignant: int  # lesions
    benign: int

    @property
    def explained(self) -> str:
        """What the threshold asks and what it costs, in a sentence."""
        return (
            f"malignant is what has a probability of malignancy of {self.threshold:.1%} or more: on validation this is "
            f"{self.sensitivity:.1%} of {self.malignant} malignant lesions, and {1 - self.specificity:.1%} of "
            f"{self.benign} benign ones (specificity {self.specificity:.1%})"
        )


@dataclass(frozen=True, eq=False)
class MalignancyRule:
    """Which classes are malignant, and how probable that was for the validation lesions."""

    malignant: np.ndarray  # (classes,) of bool
    probability: np.ndarray  # (n,)
    positive: np.ndarray  # (n,) of bool
    groups: np.ndarray  # (n,)

    def threshold(self, sensitivity: float) -> Threshold:
        """The threshold for a sensitivity; refused where it rests on too few malignant lesions."""
        if not 0 < sensitivity < 1:
            raise UsageError(f"sensitivity is {sensitivity}: it lies between 0 and 1")
        lesions = count_lesions(self.groups[self.positive])
        if lesions < enough_lesions(sensitivity):
            raise UsageError(
                f"sensitivity {sensitivity} takes {np.ceil(enough_lesions(sensitivity)):.0f} malignant validation "
                f"lesions, and there are {lesions}: choose a lower sensitivity"
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
        """The most probable class on the side of the threshold where each image is."""
        called = probabilities @ self.malignant >= threshold
        allowed = called[:, None] == self.malignant
        classes: np.ndarray = np.where(allowed, probabilities, -1).argmax(axis=1)
        return classes


def malignant_classes(classes: Sequence[str]) -> np.ndarray | None:
    """Which classes are malignant (or melanoma, where that is the question); None where they do not say."""
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
    """The rule, where the classes say which of them are malignant and the lesions are of both sides."""
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
