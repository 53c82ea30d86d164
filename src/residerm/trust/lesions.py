"""Weights, quantiles and folds by lesion, because lesions are exchangeable and images are not.

    weight of an image = 1 / images of its lesion

The quantiles are those of hierarchical conformal prediction (Lee, Barber & Willett 2023): with one image per lesion
they are the usual ones of split conformal prediction, ⌈(n + 1) · level⌉ of n.
"""

from __future__ import annotations

import numpy as np

_ROUNDING = 1e-9


def lesion_weights(groups: np.ndarray) -> np.ndarray:
    """A weight for each image, so that those of a lesion sum to one."""
    _, member, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights: np.ndarray = 1.0 / counts[member]
    return weights


def count_lesions(groups: np.ndarray) -> int:
    """The number of lesions in some images."""
    return len(np.unique(groups))


def enough_lesions(level: float) -> float:
    """The smallest number of lesions with which a level can be reached, 1/α − 1."""
    return 1.0 / (1.0 - level) - 1.0


def upper_quantile(scores: np.ndarray, groups: np.ndarray, level: float) -> float:
    """The value that the score of a new lesion does not exceed with at least this probability.

    Infinite if there are too few lesions.
    """
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(lesion_weights(groups)[order])
    needed = level * (count_lesions(groups) + 1)
    place = int(np.searchsorted(reached, needed - _ROUNDING))
    return float(scores[order[place]]) if place < len(scores) else float("inf")


def lower_quantile(scores: np.ndarray, groups: np.ndarray, level: float) -> float:
    """The value that the score of a new lesion reaches with at least this probability; −∞ if there are too few."""
    return -upper_quantile(-scores, groups, level)


def folds(labels: np.ndarray, groups: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """The fold of each image: whole lesions, with each class distributed evenly at random."""
    _, first, member = np.unique(groups, return_index=True, return_inverse=True)
    turn = np.random.default_rng(seed).permutation(len(first))
    order = np.lexsort((turn, labels[first]))  # by class, in random order within each class
    fold = np.empty(len(first), dtype=np.int64)
    fold[order] = np.arange(len(first)) % count
    return fold[member]
