"""Prediction sets: the classes that cannot be ruled out, which contain the true class with a chosen probability.

    score of a class = 1 − its probability, or 0 if it is the most probable one
    set = { classes whose score is at most their threshold }

Split conformal prediction by lesion. A class with at least 1/α − 1 lesions in the validation part has its own
threshold, so that the coverage holds for this class; the others share the threshold of all lesions, and nothing is
guaranteed for each of them individually. A set is never empty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from residerm.trust.lesions import count_lesions, enough_lesions, upper_quantile


@dataclass(frozen=True, eq=False)
class PredictionSets:
    """The threshold of each class."""

    coverage: float
    thresholds: np.ndarray  # (classes,)
    by_class: np.ndarray  # (classes,) of bool: classes with their own threshold

    def of(self, probabilities: np.ndarray) -> np.ndarray:
        """The classes in each image's set."""
        sets: np.ndarray = set_scores(probabilities) <= self.thresholds
        return sets


def set_scores(probabilities: np.ndarray) -> np.ndarray:
    """The nonconformity score of each class."""
    scores: np.ndarray = 1 - probabilities
    scores[np.arange(len(scores)), probabilities.argmax(axis=1)] = 0
    return scores


def fit_sets(probabilities: np.ndarray, labels: np.ndarray, groups: np.ndarray, coverage: float) -> PredictionSets:
    """Fit the thresholds so that sets contain the true class of this fraction of new lesions."""
    classes = probabilities.shape[1]
    scores = set_scores(probabilities)[np.arange(len(labels)), labels]
    thresholds = np.full(classes, upper_quantile(scores, groups, coverage))
    own = np.zeros(classes, dtype=bool)
    for number in range(classes):
        some = labels == number
        if some.any() and count_lesions(groups[some]) >= enough_lesions(coverage):
            thresholds[number], own[number] = upper_quantile(scores[some], groups[some], coverage), True
    return PredictionSets(coverage, thresholds, own)
