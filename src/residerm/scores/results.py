"""The results of scoring: numbers with their intervals, as immutable sections of a JSON document.

    Estimate(value=0.81, low=0.77, high=0.85, n=1512)
    Estimate(value=1.0, no_interval="why there is none", n=3)
    Estimate(absent="why there is no value", n=0)

`n` is the number of images that a score is based on: for a sensitivity, those of the class. Means over classes are over
those with images; if others have none, `note` says so.
"""

from __future__ import annotations

from collections.abc import Mapping

from residerm.documents import Section


class Estimate(Section):
    """A score with its 95 % interval, or the reason why either is missing."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    no_interval: str | None = None
    exact: bool | None = None  # whether the interval is that of Clopper and Pearson, by lesion
    absent: str | None = None
    note: str | None = None
    n: int = 0

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the interval, if there is one."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def reason(self) -> str:
        """The reason why the value or the interval is missing; empty if neither is."""
        return self.absent or self.no_interval or ""

    def relative_to(self, level: float) -> int | None:
        """Whether the interval is above (1) or below (-1) a level, or includes it (0); None without an interval."""
        if self.interval is None:
            return None
        low, high = self.interval
        return 1 if low > level else -1 if high < level else 0


Estimates = Mapping[str, Estimate]


class Resampling(Section):
    """How the intervals were computed."""

    resamples: int
    unit: str
    level: float
    seed: int


class Count(Section):
    """The number of images, and of their lesions (or patients)."""

    images: int
    groups: int


class Malignancy(Section):
    """The scores of malignant against benign, from several classes."""

    malignant: tuple[str, ...]
    scores: dict[str, Estimate]


class ReliabilityBin(Section):
    """The mean confidence and the accuracy of the images with a confidence between two bounds."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


class Subgroup(Section):
    """The scores of the images with one value of an attribute, such as one sex."""

    value: str
    images: int
    groups: int
    classes: int | None = None  # with images here; None in files of older versions
    scores: dict[str, Estimate]


class Assessment(Section):
    """Every score of a model on some images."""

    bootstrap: Resampling
    counts: dict[str, Count]
    headline: dict[str, Estimate]
    by_class: dict[str, dict[str, Estimate]]
    malignancy: Malignancy | None = None
    confusion: list[list[int]]
    reliability: list[ReliabilityBin]


class McNemar(Section):
    """McNemar's test: the numbers of images on which only one model is right, and the p-value."""

    first_only: int
    second_only: int
    p: float
    method: str = ""


class Comparison(Section):
    """Paired differences of the headline scores of two models, first minus second."""

    bootstrap: Resampling | None = None
    images: int
    groups: int = 0
    differences: dict[str, Estimate]
    mcnemar: McNemar
