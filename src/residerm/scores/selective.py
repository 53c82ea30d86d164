"""Selective prediction: how the errors decrease when the model abstains on the least confident images.

    risk(c)             = errors / answered, at a coverage of c = answered / all
    generalised risk(c) = errors / all
    AURC, AUGRC         = the areas under both

Images of equal confidence are answered together. AUGRC (Traub et al. 2024) counts each error once; AURC weighs those at
high confidence very heavily. Every function takes weights (resamples × images) and returns one value for each
resample, as needed by the bootstrap.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from residerm.scores.bootstrap import Bootstrap
from residerm.scores.curves import ratio
from residerm.scores.results import Estimate
from residerm.scores.trust_results import SelectiveScores

COVERAGE = 0.8


@dataclass(frozen=True, eq=False)
class Selective:
    """Images with the confidence of their predictions and whether these are wrong."""

    confidence: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray

    @cached_property
    def order(self) -> np.ndarray:
        """The images from the most confident to the least."""
        return np.argsort(-self.confidence, kind="stable")

    @cached_property
    def wrong(self) -> np.ndarray:
        """Whether each prediction is wrong, from the most confident to the least."""
        wrong: np.ndarray = (self.predicted != self.labels)[self.order].astype(float)
        return wrong

    @cached_property
    def ends(self) -> np.ndarray:
        """The last position of each confidence."""
        steps = np.diff(self.confidence[self.order]) != 0
        return np.append(np.flatnonzero(steps), len(self.order) - 1)

    def aurc(self, weights: np.ndarray) -> np.ndarray:
        """The area under the risk-coverage curve."""
        answered, errors = self._cumulative(weights)
        steps = np.diff(answered, axis=1, prepend=0)
        risk = np.divide(errors, answered, out=np.zeros_like(errors), where=answered > 0)
        return ratio((steps * risk).sum(axis=1), answered[:, -1])

    def augrc(self, weights: np.ndarray) -> np.ndarray:
        """The area under the curve of the generalised risk over coverage."""
        answered, errors = self._cumulative(weights)
        steps = np.diff(answered, axis=1, prepend=0)
        middle = errors - np.diff(errors, axis=1, prepend=0) / 2
        return ratio((steps * middle).sum(axis=1), answered[:, -1] ** 2)

    def balanced_accuracy(self, weights: np.ndarray, coverage: float) -> np.ndarray:
        """The balanced accuracy of the most confident images, up to this coverage."""
        turned = weights[:, self.order]
        reached = np.cumsum(turned, axis=1)
        answered = turned * (reached <= coverage * reached[:, -1:] + 1e-9)
        classes = np.eye(self.labels.max() + 1)[self.labels[self.order]]
        images, right = answered @ classes, (answered * (1 - self.wrong)) @ classes
        sensitivities = np.divide(right, images, out=np.zeros_like(images), where=images > 0)
        return ratio(sensitivities.sum(axis=1), (images > 0).sum(axis=1))

    def curve(self, points: int = 200) -> tuple[np.ndarray, np.ndarray]:
        """Coverage and risk at no more than `points` points, evenly spaced in coverage."""
        answered, errors = (one[0] for one in self._cumulative(np.ones((1, len(self.labels)))))
        coverage, risk = answered / answered[-1], errors / answered
        places = np.unique(np.searchsorted(coverage, np.linspace(coverage[0], 1, points) - 1e-12))
        return coverage[places], risk[places]

    def _cumulative(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The cumulative weights of the images and of the errors, at the end of each confidence."""
        turned = weights[:, self.order]
        return np.cumsum(turned, axis=1)[:, self.ends], np.cumsum(turned * self.wrong, axis=1)[:, self.ends]


def selective_scores(
    given: Selective, answered: np.ndarray, groups: np.ndarray, error_rate: float, bootstrap: Bootstrap
) -> SelectiveScores:
    """The areas, the balanced accuracy at full and 80 % coverage, and the scores at the threshold, with intervals."""
    groups = np.unique(groups, return_inverse=True)[1]
    own = 1 / np.bincount(groups)[groups]
    wrong = answered & (given.predicted != given.labels)

    def values(weights: np.ndarray) -> dict[str, np.ndarray]:
        by_lesion = weights * own
        kept = by_lesion @ answered
        share_wrong = np.divide(by_lesion @ wrong, kept, out=np.full(len(kept), np.nan), where=kept > 0)
        return {
            "aurc": given.aurc(weights),
            "augrc": given.augrc(weights),
            "balanced_accuracy": given.balanced_accuracy(weights, 1.0),
            "balanced_accuracy_at_80": given.balanced_accuracy(weights, COVERAGE),
            "answered": ratio(kept, by_lesion.sum(axis=1)),
            "wrong": share_wrong,
        }

    estimates = bootstrap.estimates(values, groups)
    counted = {name: one.model_copy(update={"n": len(groups)}) for name, one in estimates.items()}
    if not answered.any():
        counted["wrong"] = Estimate(absent="no image is answered")
    coverage, risk = given.curve()
    return SelectiveScores(
        **counted,
        error_rate=error_rate,
        curve=list(zip(coverage.tolist(), risk.tolist(), strict=True)),
        chosen=(float(answered.mean()), float(wrong.sum() / answered.sum())) if answered.any() else None,
    )
