"""Abstention: the confidence below which the model gives no answer.

    confidence = the highest calibrated probability
    answered   = the images whose confidence reaches the threshold

The threshold is the lowest one at which the validation lesions that are answered are wrong in at most the chosen share.
Where no threshold reaches that, nothing is answered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from residerm.trust.lesions import lesion_weights

FEWEST_ANSWERED = 10  # lesions: the share of errors among fewer says nothing


@dataclass(frozen=True)
class Abstention:
    """The threshold, and what it did on the validation lesions."""

    error_rate: float
    threshold: float  # infinite where nothing is answered
    answered: float  # share of the validation lesions
    wrong: float | None  # share of these; None where nothing is answered

    def of(self, probabilities: np.ndarray) -> np.ndarray:
        """Which images get no answer."""
        abstained: np.ndarray = confidence(probabilities) < self.threshold
        return abstained


def confidence(probabilities: np.ndarray) -> np.ndarray:
    """The highest probability of each image."""
    highest: np.ndarray = probabilities.max(axis=1)
    return highest


def fit_abstention(probabilities: np.ndarray, labels: np.ndarray, groups: np.ndarray, error_rate: float) -> Abstention:
    """The lowest threshold with at most this share of errors among the answered lesions."""
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
