"""The quantity that is explained: a weighted sum of the logits, with one row of weights for each image.

    one class      its logit minus the mean of all logits
    two classes    the difference of their logits, which is the logarithm of the ratio of their probabilities

A constant added to all logits does not change the probabilities. Neither target depends on it, so that neither shows
evidence where there is none.
"""

from __future__ import annotations

import numpy as np


def for_class(classes: int, numbers: np.ndarray) -> np.ndarray:
    """The weights (n, classes) to explain one class of each image."""
    weights: np.ndarray = np.eye(classes, dtype=np.float32)[numbers] - np.float32(1 / classes)
    return weights


def for_difference(classes: int, number: int, other: int, images: int) -> np.ndarray:
    """The weights (n, classes) to explain one class against another."""
    weights = np.zeros((images, classes), np.float32)
    weights[:, number], weights[:, other] = 1, -1
    return weights


def values(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The value of the target for each image."""  # (n, classes), (n, classes) → (n,)
    summed: np.ndarray = (logits * target).sum(axis=1)
    return summed
