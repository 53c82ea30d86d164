"""Probabilities without the class frequencies of training: divided by that prior and renormalised.

    p'(class) = p(class) / prior(class)  /  Σ p / prior
    named(probabilities, prior, balanced=True)      the class with the highest p', without changing the probabilities

A network trained on 67 % nevi is biased towards nevi. Divided by the prior, its probabilities are those for
equally frequent classes, which favours balanced accuracy over accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from residerm.errors import UsageError


def divide_by_prior(probabilities: np.ndarray, prior: np.ndarray | Sequence[float]) -> np.ndarray:
    """The probabilities as if all classes had been equally frequent in training."""
    frequencies = np.asarray(prior, dtype=np.float64)
    if frequencies.shape != probabilities.shape[1:]:
        raise UsageError(
            f"the prior has {frequencies.size} classes, but there are probabilities of {probabilities.shape[1]}"
        )
    if not (np.isfinite(frequencies) & (frequencies > 0)).all():
        raise UsageError(
            f"the prior {frequencies.tolist()} has a class that training never saw: there is nothing to divide by"
        )
    divided = probabilities.astype(np.float64) / frequencies
    quotients: np.ndarray = divided / divided.sum(axis=1, keepdims=True)
    return quotients


def named(probabilities: np.ndarray, prior: np.ndarray | Sequence[float], *, balanced: bool) -> np.ndarray:
    """The predicted class of each image: the most probable one, if `balanced` after dividing by the prior."""
    weighed = divide_by_prior(probabilities, prior) if balanced else probabilities
    classes: np.ndarray = weighed.argmax(axis=1)
    return classes
