"""The other formulas of the paper: the logistic function (16), and the scores (17) to (19).

This module does not use torch. Scores are for two classes, True (positive) and False; a score with a denominator of
zero is None.
"""

from __future__ import annotations

import numpy as np

from residerm.theory.backprop import Array


def logistic_as_printed(x: Array) -> Array:
    """(16): S(x) = e^x / (e^x + 1); e^x overflows for x > 709, unlike the equivalent `backprop.sigmoid`."""
    probabilities: Array = np.exp(x) / (np.exp(x) + 1)
    return probabilities


def precision(truth: np.ndarray, predicted: np.ndarray) -> float | None:
    """(17): true positives / all predicted positives."""
    return _share(np.sum(truth & predicted), np.sum(predicted))


def recall(truth: np.ndarray, predicted: np.ndarray) -> float | None:
    """(18): true positives / all positives."""
    return _share(np.sum(truth & predicted), np.sum(truth))


def f1(truth: np.ndarray, predicted: np.ndarray) -> float | None:
    """(19): 2 · precision · recall / (precision + recall)."""
    p, r = precision(truth, predicted), recall(truth, predicted)
    return None if p is None or r is None or p + r == 0 else 2 * p * r / (p + r)


def _share(count: int, of: int) -> float | None:
    return float(count / of) if of else None
