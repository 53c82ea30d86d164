"""Probabilities without the class shares that training taught: divided by that prior, and made to sum to one again.

    p'(class) = p(class) / prior(class)  /  Σ p / prior
    named(probabilities, prior, balanced=True)      the class of the highest p', the probabilities left alone

A network that saw 67 % nevi leans towards nevi. Divided by its prior, it answers as if all classes were equally
frequent, which favours balanced accuracy over accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from residerm.errors import UsageError


def divide_by_prior(probabilities: np.ndarray, prior: np.ndarray | Sequence[float]) -> np.ndarray:
    """Each image's probabilities as if all classes had been equally frequent in training."""
    shares = np.asarray(prior, dtype=np.float64)
    if shares.shape != probabilities.shape[1:]:
        raise UsageError(
            f"the prior has {shares.size} classes, but there are probabilities of {probabilities.shape[1]}"
        )
    if not (np.isfinite(shares) & (shares > 0)).all():
        raise UsageError(
            f"the prior {shares.tolist()} has a class that training never saw: there is nothing to divide by"
        )
    divided = probabilities.astype(np.float64) / shares
    quotients: np.ndarray = divided / divided.sum(axis=1, keepdims=True)
    return quotients


def named(probabilities: np.ndarray, prior: np.ndarray | Sequence[float], *, balanced: bool) -> np.ndarray:
    """The class that is named for each image: the most probable one, or the one most probable beside its prior."""
    weighed = divide_by_prior(probabilities, prior) if balanced else probabilities
    classes: np.ndarray = weighed.argmax(axis=1)
    return classes
