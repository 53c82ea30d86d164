"""The paper's formulas that belong to no algorithm: the logistic function (16), and the scores (17) to (19).

Nothing here knows torch. A score is counted over two classes, True (positive) and False; where its denominator is
zero it is None.
"""

from __future__ import annotations

import numpy as np

from residerm.theory.backprop import Array


def logistic_as_printed(x: Array) -> Array:
    """(16): S(x) = e^x / (e^x + 1); beyond x = 709 e^x overflows, and `backprop.sigmoid` is the same without it."""
    shares: Array = np.exp(x) / (np.exp(x) + 1)
    return shares


def precision(truth: np.ndarray, predicted: np.ndarray) -> float | None:
    """(17): true positives of all that were called positive."""
    return _share(np.sum(truth & predicted), np.sum(predicted))


def recall(truth: np.ndarray, predicted: np.ndarray) -> float | None:
    """(18): true positives of all that are positive."""
    return _share(np.sum(truth & predicted), np.sum(truth))


def f1(truth: np.ndarray, predicted: np.ndarray) -> float | None:
    """(19): 2 · precision · recall / (precision + recall)."""
    p, r = precision(truth, predicted), recall(truth, predicted)
    return None if p is None or r is None or p + r == 0 else 2 * p * r / (p + r)


def _share(count: int, of: int) -> float | None:
    return float(count / of) if of else None
