"""Abstention: the confidence below which the model does not answer.

    confidence = the highest calibrated probability
    answered   = the images whose confidence reaches the threshold

The threshold is the lowest one at which the error rate of the answered validation lesions is at most the chosen rate.
If there is none, the model always abstains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from residerm.trust.lesions import lesion_weights

FEWEST_ANSWERED = 10  # lesions: the error rate of fewer is too uncertain


@dataclass(frozen=True)
class Abstention:
    """The threshold, and its effect on the validation lesions."""

    error_rate: float
    threshold: float  # infinite if nothing is answered
    answered: float  # fraction of the validation lesions
    wrong: float | None  # fraction of these; None if nothing is answered

    def of(self, probabilities: np.ndarray) -> np.ndarray:
        """Whether the model abstains, for each image."""
        abstained: np.ndarray = confidence(probabilities) < self.threshold
        return abstained


def confidence(probabilities: np.ndarray) -> np.ndarray:
    """The highest probability of each image."""
    highest: np.ndarray = probabilities.max(axis=1)
    return highest


def fit_abstention(probabilities: np.ndarray, labels: np.ndarray, groups: np.ndarray, error_rate: float) -> Abstention:
    """Find the lowest threshold with at most this error rate among the answered lesions."""
    sure, weights = confidence(probabilities), lesion_weights(groups)
    order = np.argsort(-sure, kind="stable")
    answered = np.cumsum(weights[order])
    wrong = np.cumsum((weights * (probabilities.argmax(axis=1) != labels))[order])
    last_of_its_value = np.append(np.diff(sure[order]) != 0, True)  # equal ones are answered together
    allowed = last_of_its_value & (wrong <= error_rate * answered) & (answered >= FEWEST_ANSWERED)
    if not allowed.any():
        return Abstention(error_rate, float("inf"), 0.0, None)
    place = int(np.flatnonzero(allowed)[-1])
    everything = place == len(order) - 1
    threshold = 0.0 if everything else float(sure[order[place]])
    return Abstention(
        error_rate, threshold, float(answered[place] / answered[-1]), float(wrong[place] / answered[place])
    )
