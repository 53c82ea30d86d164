"""Scores before and after calibration, paired because both are of the same images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from residerm.scores.assessment import reliability
from residerm.scores.bootstrap import Bootstrap
from residerm.scores.definitions import HEADLINE, Weighed
from residerm.scores.images import BINS, Images, checked_images
from residerm.scores.results import Estimate
from residerm.scores.trust_results import CalibrationScores

NAMES = ("calibration_error", "log_loss", "brier_score")


def calibration_scores(
    labels: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    classes: Sequence[str],
    groups: np.ndarray | Sequence[str],
    *,
    kind: str,
    bootstrap: Bootstrap,
) -> CalibrationScores:
    """Calibration error, log loss and Brier score of two sets of probabilities, and their differences."""
    first, second = (checked_images(labels, own, classes, groups) for own in (before, after))

    def values(weights: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
        found: dict[tuple[str, str], np.ndarray] = {}
        for name in NAMES:
            one, other = (HEADLINE[name].compute(Weighed(images, weights)) for images in (first, second))
            found |= {("before", name): one, ("after", name): other, ("change", name): other - one}
        return found

    estimates = bootstrap.estimates(values, first.groups)

    def of(when: str) -> dict[str, Estimate]:
        return {name: estimates[when, name].model_copy(update={"n": len(first)}) for name in NAMES}

    return CalibrationScores(
        kind=kind,
        before=of("before"),
        after=of("after"),
        change=of("change"),
        by_chance=by_chance(second),
        corrected_before=corrected_error(first),
        corrected_after=corrected_error(second),
        reliability_before=reliability(first),
        reliability_after=reliability(second),
    )


def by_chance(images: Images) -> float:
    """The mean calibration error that these probabilities would have if they were perfectly calibrated."""
    variance = np.bincount(images.bin, images.confidence * (1 - images.confidence), minlength=BINS)
    return float(np.sqrt(2 / np.pi * variance).sum() / len(images))


def corrected_error(images: Images) -> float:
    """The root mean square calibration error, corrected for the number of images (Kumar, Liang and Ma, 2019).

    From the squared difference of confidence and accuracy in each bin, the variance of the accuracy is subtracted.
    For perfect probabilities the sum is zero on average; if it is negative, the error is zero.
    """
    in_bins = np.bincount(images.bin, minlength=BINS)
    several = in_bins > 1
    count = in_bins[several]
    confidence, accuracy = (
        np.bincount(images.bin, values, minlength=BINS)[several] / count for values in (images.confidence, images.right)
    )
    squares = (confidence - accuracy) ** 2 - accuracy * (1 - accuracy) / (count - 1)
    return float(np.sqrt(max(float(count @ squares) / len(images), 0.0)))
