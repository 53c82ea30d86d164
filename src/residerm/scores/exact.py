"""The exact interval of a proportion by Clopper and Pearson (1934), for cases in which resampling gives none.

If all or none of a few lesions are right, every resample is the same, but the number of lesions still determines an
interval. It is based on lesions, not images: with `n` lesions, a proportion of `x` counts as `x n` lesions.
"""

from __future__ import annotations

from residerm.scores.results import Estimate

_LEVEL = 0.95


def with_exact_interval(estimate: Estimate, groups: int) -> Estimate:
    """The estimate of a proportion, with the exact interval if it has none."""
    if estimate.value is None or estimate.interval or not groups:
        return estimate
    low, high = clopper_pearson(estimate.value * groups, groups)
    return estimate.model_copy(update={"low": low, "high": high, "no_interval": None, "exact": True})


def clopper_pearson(right: float, number: int) -> tuple[float, float]:
    """The 95 % interval of the proportion `right` / `number`."""
    from scipy.special import betaincinv

    tail = (1 - _LEVEL) / 2
    low = float(betaincinv(right, number - right + 1, tail)) if right > 0 else 0.0
    high = float(betaincinv(right + 1, number - right, 1 - tail)) if right < number else 1.0
    return low, high
