"""The bootstrap: 95 % intervals of scores by resampling lesions.

    each resample draws as many lesions as there are, with replacement, each with all of its images
    interval = the 2.5 % and 97.5 % percentiles of the score over the resamples

Images of one lesion are similar, so resampling images would make the intervals too narrow. Resamples are drawn as
weights, in chunks that fit into the processor's cache; the same groups and seed always give the same resamples.
Resamples in which a score is undefined are left out of its interval; above 5 %, a reason is given instead of an
interval.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from residerm.errors import UsageError
from residerm.parallel import blas_in_one_thread
from residerm.scores.results import Estimate, Resampling

LEVEL = 0.95
MOST_UNDEFINED = 0.05  # of the resamples
SAME_VALUE = "all resamples have the same value, which says nothing about its uncertainty"
_ROUNDING = 1e-12
_WEIGHTS_IN_CHUNK = 1 << 18  # 2 MB, about a processor's cache

Key = TypeVar("Key", bound=Hashable)
Values = Mapping[Key, np.ndarray]


@dataclass(frozen=True)
class Bootstrap:
    """The number of resamples, their unit, and the seed."""

    resamples: int
    unit: str
    seed: int

    def __post_init__(self) -> None:
        """Refuse too few resamples for percentiles."""
        if self.resamples < 100:
            raise UsageError(f"resamples: {self.resamples} are too few for an interval; use 100 or more")

    @property
    def described(self) -> Resampling:
        """The settings, for the file of scores."""
        return Resampling(resamples=self.resamples, unit=self.unit, level=LEVEL, seed=self.seed)

    def estimates(self, values: Callable[[np.ndarray], Values[Key]], groups: np.ndarray) -> dict[Key, Estimate]:
        """Compute each score with its interval, or with the reason why it has none.

        `values` gives scores for weights (resamples × images), `groups` the number of each image's group.
        """
        with blas_in_one_thread():  # products of such thin matrices are slower with several threads
            points = values(np.ones((1, len(groups))))
            chunks = [values(weights) for weights in self._draw(groups)]
        return {
            key: self._estimate(float(point[0]), np.concatenate([chunk[key] for chunk in chunks]))
            for key, point in points.items()
        }

    def _draw(self, groups: np.ndarray) -> Iterator[np.ndarray]:
        """Iterate over the weights of the images, in chunks of resamples."""
        generator, count = np.random.default_rng(self.seed), int(groups.max()) + 1
        rows = max(1, _WEIGHTS_IN_CHUNK // len(groups))
        for start in range(0, self.resamples, rows):
            size = min(rows, self.resamples - start)
            drawn = generator.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
            times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
            yield times[:, groups].astype(float)

    def _estimate(self, value: float, values: np.ndarray) -> Estimate:
        """A score with the percentiles of its resamples as interval, or the reason why there is none."""
        undefined = np.isnan(values)
        share = undefined.mean()
        if share > MOST_UNDEFINED:
            reason = f"there are too few {self.unit}s: {100 * share:.0f} % of the resamples leave this score undefined"
            return Estimate(value=value, no_interval=reason)
        low, high = (float(bound) for bound in np.percentile(values[~undefined], [50 - 50 * LEVEL, 50 + 50 * LEVEL]))
        if high - low < _ROUNDING:
            return Estimate(value=value, no_interval=SAME_VALUE)
        if not low <= value <= high:
            reason = f"resampling itself shifts this score: its values would be {low:.3g} to {high:.3g}"
            return Estimate(value=value, no_interval=reason)
        return Estimate(value=value, low=low, high=high)
