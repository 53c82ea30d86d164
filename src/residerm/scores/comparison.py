"""Two models on the same images: their differences, and whether these could be due to chance.

    difference = score(first) − score(second), with an interval over resamples of lesions shared by both models

Shared resamples make the interval narrow, because images that are hard for both cancel out. McNemar's test uses only
the images that one model gets right and the other wrong. It treats images as independent, although images of one lesion
are similar, so with several images per lesion, its p-value is too small: the interval is more reliable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from residerm.scores.bootstrap import Bootstrap
from residerm.scores.definitions import HEADLINE, Weighed, headline_score
from residerm.scores.images import Images, checked_images
from residerm.scores.results import Comparison, Estimate, McNemar

_FEWEST_FOR_APPROXIMATION = 25  # images on which the models disagree
COMPARED = tuple(name for name in HEADLINE if name != "majority_accuracy")  # which is the same for both


def compare(
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    classes: Sequence[str],
    groups: np.ndarray | Sequence[str],
    *,
    predicted: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
    group_name: str = "lesion",
    resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Paired differences of the headline scores, first minus second, and McNemar's test of the accuracy."""
    bootstrap = Bootstrap(resamples, group_name, seed)
    one, other = (
        checked_images(labels, own, classes, groups, named)
        for own, named in zip((first, second), predicted, strict=True)
    )
    return Comparison(
        bootstrap=bootstrap.described,
        images=len(one),
        groups=len(np.unique(one.groups)),
        differences=_differences(one, other, bootstrap),
        mcnemar=mcnemar(one.right, other.right),
    )


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> McNemar:
    """Test whether two models are right equally often, using the images on which only one of them is.

    Under the null hypothesis, each of these b + c images is a coin toss. The two-sided p-value is binomial for fewer
    than 25 images, and otherwise that of χ² = (|b − c| − 1)² / (b + c) with one degree of freedom.
    """
    b = int((first_right & ~second_right).sum())
    c = int((second_right & ~first_right).sum())
    exact = b + c < _FEWEST_FOR_APPROXIMATION
    return McNemar(
        first_only=b,
        second_only=c,
        p=_binomial(b, c) if exact else _chi_squared(b, c),
        method="exact binomial" if exact else "chi-squared with continuity correction",
    )


def _differences(first: Images, second: Images, bootstrap: Bootstrap) -> dict[str, Estimate]:
    scores = {name: (headline_score(first, name), headline_score(second, name)) for name in COMPARED}

    def values(weights: np.ndarray) -> dict[str, np.ndarray]:
        ours, theirs = Weighed(first, weights), Weighed(second, weights)
        return {
            name: one.compute(ours) - other.compute(theirs)
            for name, (one, other) in scores.items()
            if not one.absent and not other.absent
        }

    found = bootstrap.estimates(values, first.groups)
    shown = {name: replace(other if other.absent else one, share_of=None) for name, (one, other) in scores.items()}
    return {
        name: score.estimate(found.get(name), first.groups) for name, score in shown.items()
    }  # a difference, not a fraction


def _binomial(b: int, c: int) -> float:
    as_few = sum(math.comb(b + c, count) for count in range(min(b, c) + 1))
    return min(1.0, 2.0 * as_few / (1 << (b + c)))


def _chi_squared(b: int, c: int) -> float:
    statistic = max(abs(b - c) - 1, 0) ** 2 / (b + c)
    return math.erfc(math.sqrt(statistic / 2))
