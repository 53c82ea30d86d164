"""ROC curves of one ranking under many weights, and the scores derived from them.

    ranking = rank(positive, probability)                  once
    area = auc(curve(ranking, weights))                    weights: resamples × images; one value for each resample

The images are sorted once. A resample changes only the weights, so its curve is a cumulative sum in the same order.
Scores are NaN or infinite if there are no positives or no negatives: the caller must check.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST = 0.9  # the minimum specificity for the sensitivity score, and vice versa
ABOVE = 0.8  # the sensitivity above which the ISIC challenge computes the area


@dataclass(frozen=True, eq=False)
class Ranking:
    """The points of a ROC curve for any weights: how many of the ranked positives and negatives are above each.

    Images with the same probability share a point, so that ties count half. Consecutive points with only negatives
    between them are on one horizontal line; the inner ones are left out, which changes no score.
    """

    positives: np.ndarray  # images, from the most probable to the least
    negatives: np.ndarray
    positives_above: np.ndarray  # a number for each point, from 0 to all
    negatives_above: np.ndarray


def rank(positive: np.ndarray, probability: np.ndarray) -> Ranking:
    """Sort the images once for all resamples."""
    order = np.argsort(-probability, kind="stable")
    ranked = positive[order]
    ends = np.flatnonzero(np.diff(probability[order], append=-np.inf))  # the last image of each tie
    positives_above = np.concatenate([[0], np.cumsum(ranked)[ends]])
    negatives_above = np.concatenate([[0], np.cumsum(~ranked)[ends]])
    rises = np.diff(positives_above) > 0
    corners = np.concatenate([[True], rises]) | np.concatenate([rises, [True]])
    return Ranking(order[ranked], order[~ranked], positives_above[corners], negatives_above[corners])


@dataclass(frozen=True, eq=False)
class Curve:
    """A ROC curve in weighted counts for each resample, from no positive prediction to all positive."""

    true: np.ndarray  # positives above each point: resamples × points
    false: np.ndarray  # negatives above it

    @property
    def sensitivity(self) -> np.ndarray:
        """The fraction of the positives that are above each point."""
        return ratio(self.true, self.true[:, -1:])

    @property
    def specificity(self) -> np.ndarray:
        """The fraction of the negatives that are below each point."""
        return ratio(self.false[:, -1:] - self.false, self.false[:, -1:])

    @property
    def precision(self) -> np.ndarray:
        """The fraction of the images above each point that are positive; 1 if there are none."""
        called = self.true + self.false
        precision: np.ndarray = np.divide(self.true, called, out=np.ones_like(called), where=called > 0)
        return precision


def curve(ranking: Ranking, weights: np.ndarray) -> Curve:
    """Compute the curve of each resample."""

    def above(ranked: np.ndarray, counts: np.ndarray) -> np.ndarray:
        sums = np.zeros((len(weights), len(ranked) + 1))
        np.cumsum(weights[:, ranked], axis=1, out=sums[:, 1:])
        return np.take(sums, counts, axis=1)

    return Curve(
        above(ranking.positives, ranking.positives_above),
        above(ranking.negatives, ranking.negatives_above),
    )


def auc(curve: Curve) -> np.ndarray:
    """The area under the ROC curve: the probability that a positive is ranked above a negative; ties count half."""
    return ratio(np.trapezoid(curve.true, curve.false), curve.true[:, -1] * curve.false[:, -1])


def average_precision(curve: Curve) -> np.ndarray:
    """The mean of the precision over the positives, each at its own threshold, as in scikit-learn: no interpolation."""
    return ratio((np.diff(curve.true) * curve.precision[:, 1:]).sum(axis=1), curve.true[:, -1])


def auc_above_sensitivity(curve: Curve) -> np.ndarray:
    """The area under the part of the ROC curve with sensitivity of at least 0.8, as in the ISIC challenges.

    It is the integral of the sensitivity over the false positive rate, from the rate at which the curve reaches 0.8
    (linearly interpolated) to 1, down to the axis. It is not normalised: a perfect ranking has 1, chance has
    0.18 = 0.2 × (0.8 + 1) / 2, and the minimum is 0.
    """
    sensitivity, rows = curve.sensitivity, np.arange(len(curve.true))
    after = np.argmax(sensitivity >= ABOVE, axis=1)
    before = np.maximum(after - 1, 0)
    part = ratio(ABOVE - sensitivity[rows, before], sensitivity[rows, after] - sensitivity[rows, before])
    start = curve.false[rows, before] + part * (curve.false[rows, after] - curve.false[rows, before])
    # All points before the start are moved to it, where they enclose no area.
    area = np.trapezoid(np.maximum(sensitivity, ABOVE), np.maximum(curve.false, start[:, None]))
    return ratio(area, curve.false[:, -1])


def sensitivity_at_specificity(curve: Curve) -> np.ndarray:
    """The highest sensitivity over all thresholds with specificity of at least 0.9.

    An image is predicted positive if its probability is at least the threshold, so images with the same probability
    get the same prediction; nothing is interpolated. Each resample has its own threshold.
    """
    highest: np.ndarray = np.where(curve.specificity >= LEAST, curve.sensitivity, 0).max(axis=1)
    return highest


def specificity_at_sensitivity(curve: Curve) -> np.ndarray:
    """The highest specificity over all thresholds with sensitivity of at least 0.9; thresholds as above."""
    highest: np.ndarray = np.where(curve.sensitivity >= LEAST, curve.specificity, 0).max(axis=1)
    return highest


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """A quotient; NaN or infinite if undefined, without a warning."""
    with np.errstate(divide="ignore", invalid="ignore"):
        quotients: np.ndarray = np.true_divide(above, below)
    return quotients
