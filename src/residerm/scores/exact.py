"""The exact interval of a share, after Clopper and Pearson (1934), for where resampling has none to give.

Where all of a few lesions are right, or none, every resample is the same; the number of lesions alone still limits how
far the share could be off. Lesions count, not images: with `n` lesions, a share of `x` stands for `x n` of them.
"""

from __future__ import annotations

from residerm.scores.results import Estimate

_LEVEL = 0.95


def with_exact_interval(estimate: Estimate, groups: int) -> Estimate:
    """The estimate of a share, with the exact interval where it has none."""
    if estimate.value is None or estimate.interval or not groups:
        return estimate
    low, high = clopper_pearson(estimate.value * groups, groups)
    return estimate.model_copy(update={"low": low, "high": high, "no_interval": None, "exact": True})


def clopper_pearson(right: float, number: int) -> tuple[float, float]:
    """The 95 % interval of a share, of which so many of a number are right."""
    from scipy.special import betaincinv

    tail = (1 - _LEVEL) / 2
    low = float(betaincinv(right, number - right + 1, tail)) if right > 0 else 0.0
    high = float(betaincinv(right + 1, number - right, 1 - tail)) if right < number else 1.0
    return low, high
