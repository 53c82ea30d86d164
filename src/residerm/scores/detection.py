"""How well a score, higher for outliers, distinguishes outliers from the images that a model is made for.

    AUROC         the fraction of pairs of an outlier and an ordinary image in which the outlier scores higher
    FPR at 95 %   the fraction of the outliers accepted when 95 % of the ordinary images are

Both are functions of weights (resamples × images), over ordinary images and outliers together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from residerm.scores import curves
from residerm.scores.bootstrap import Bootstrap
from residerm.scores.trust_results import OutlierScores

ACCEPTED = 0.95


@dataclass(frozen=True, eq=False)
class Detection:
    """Images, which of them are outliers, and their scores."""

    outlier: np.ndarray  # (n,) of bool
    score: np.ndarray  # (n,)

    @cached_property
    def ranking(self) -> curves.Ranking:
        """The images from the highest score to the lowest."""
        return curves.rank(self.outlier, self.score)

    def auroc(self, weights: np.ndarray) -> np.ndarray:
        """The area under the ROC curve."""
        return curves.auc(curves.curve(self.ranking, weights))

    def false_positive_rate(self, weights: np.ndarray) -> np.ndarray:
        """The fraction of the outliers with scores no higher than those of 95 % of the ordinary images."""
        order = np.argsort(self.score, kind="stable")
        inside, outside = weights[:, order] * ~self.outlier[order], weights[:, order] * self.outlier[order]
        reached = np.cumsum(inside, axis=1)
        needed = ACCEPTED * reached[:, -1:] - 1e-9
        limit = self.score[order][(reached < needed).sum(axis=1)]
        passed = np.searchsorted(self.score[order], limit, side="right") - 1
        accepted = np.take_along_axis(np.cumsum(outside, axis=1), passed[:, None], axis=1)[:, 0]
        return curves.ratio(accepted, outside.sum(axis=1))


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """The outlier scores of images from elsewhere."""

    source: str
    scores: np.ndarray


def outlier_scores(
    inside: np.ndarray, groups: np.ndarray, elsewhere: Elsewhere, threshold: float, bootstrap: Bootstrap
) -> OutlierScores:
    """How well images from elsewhere can be distinguished from scored ones, with intervals; each counts as a lesion."""
    count = len(elsewhere.scores)
    given = Detection(np.repeat([False, True], [len(inside), count]), np.concatenate([inside, elsewhere.scores]))
    groups = np.unique(groups, return_inverse=True)[1]
    groups = np.concatenate([groups, groups.max() + 1 + np.arange(count)])
    marked = given.outlier & (given.score > threshold)

    def values(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "auroc": given.auroc(weights),
            "false_positive_rate": given.false_positive_rate(weights),
            "marked": curves.ratio(weights @ marked, weights @ given.outlier),
        }

    estimates = bootstrap.estimates(values, groups)
    counted = {name: one.model_copy(update={"n": count}) for name, one in estimates.items()}
    return OutlierScores(source=elsewhere.source, images=count, **counted)
