"""Prediction sets on lesions that they were not fitted on: how often they contain the true class, and their size.

Each lesion counts once, as the mean over its images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from residerm.scores.bootstrap import Bootstrap
from residerm.scores.curves import ratio
from residerm.scores.results import Estimate
from residerm.scores.trust_results import ClassSets, SetScores

_ALL = "all"
_INSIDE = (0.025, 0.975)


@dataclass(frozen=True, eq=False)
class Sets:
    """Prediction sets, and what they were fitted on."""

    sets: np.ndarray  # (n, classes) of bool
    level: float
    own_threshold: np.ndarray  # (classes,) of bool
    fitted_on: Sequence[int]  # lesions of each class


def set_scores(
    given: Sets, labels: np.ndarray, groups: np.ndarray, classes: Sequence[str], bootstrap: Bootstrap
) -> SetScores:
    """Compute the coverage and size over all lesions and by class, with intervals."""
    groups = np.unique(groups, return_inverse=True)[1]
    own = 1 / np.bincount(groups)[groups]
    inside, size = given.sets[np.arange(len(labels)), labels], given.sets.sum(axis=1)
    rows = {_ALL: np.ones(len(labels), dtype=bool)} | {
        name: labels == number for number, name in enumerate(classes) if (labels == number).any()
    }

    def values(weights: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
        weights = weights * own
        found = {(_ALL, "single"): ratio(weights @ (size == 1), weights.sum(axis=1))}
        for name, some in rows.items():
            total = weights @ some
            found[name, "coverage"] = ratio(weights @ (some & inside), total)
            found[name, "size"] = ratio(weights @ (some * size), total)
        return found

    estimates = bootstrap.estimates(values, groups)

    def of(name: str, what: str) -> Estimate:
        if name not in rows:
            return Estimate(absent=f"there are no images of {name}")
        return estimates[name, what].model_copy(update={"n": int(rows[name].sum())})

    by_class = {
        name: ClassSets(
            own_threshold=bool(given.own_threshold[number]),
            fitted_on=given.fitted_on[number],
            expected=expected(given.fitted_on[number], given.level) if given.own_threshold[number] else None,
            coverage=of(name, "coverage"),
            size=of(name, "size"),
        )
        for number, name in enumerate(classes)
    }
    return SetScores(
        level=given.level,
        coverage=of(_ALL, "coverage"),
        size=of(_ALL, "size"),
        single=of(_ALL, "single"),
        by_class=by_class,
    )


def expected(lesions: int, level: float) -> tuple[float, float] | None:
    """The range that contains the coverage of sets fitted on this number of lesions in 95 of 100 cases.

    The coverage has a beta distribution (Vovk 2012) with parameters k = ⌈(n + 1) · level⌉ and n + 1 − k.
    """
    rank = math.ceil((lesions + 1) * level - 1e-9)
    if rank > lesions:
        return None
    low, high = (_beta_quantile(rank, lesions + 1 - rank, share) for share in _INSIDE)
    return low, high


def _beta_quantile(first: int, second: int, share: float) -> float:
    """A quantile of a beta distribution with integer parameters, by bisection: its CDF is a binomial tail."""
    trials = first + second - 1
    counts = np.arange(first, trials + 1)
    choose = np.array([math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) for k in counts])
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        tail = np.exp(choose + counts * math.log(middle) + (trials - counts) * math.log1p(-middle)).sum()
        low, high = (middle, high) if tail < share else (low, middle)
    return (low + high) / 2
