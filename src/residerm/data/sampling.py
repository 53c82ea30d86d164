"""Resampling of the training rows against class imbalance, through imbalanced-learn, on indices.

The paper mentions under-sampling, over-sampling and both, but no numbers. Here, *under* reduces the largest class to
`cut_to` times the second largest; *over* raises the classes below `raise_to` (the median class) to it; *both* applies
one after the other. Validation and test rows are never resampled. Each epoch is resampled with its own seed.
"""

from __future__ import annotations

import numpy as np

from residerm.config import SampleOptions


def targets(counts: np.ndarray, options: SampleOptions) -> np.ndarray:
    """The number of images of each class after sampling; classes without images stay empty."""
    wanted = counts.copy()
    present = np.flatnonzero(counts)
    if options.sampling in ("under", "both") and len(present) > 1:
        second, largest = present[np.argsort(counts[present], kind="stable")][-2:]
        wanted[largest] = min(counts[largest], int(options.cut_to * counts[second]))
    if options.sampling in ("over", "both"):
        level = {"median": np.median(wanted[present]), "largest": wanted.max()}.get(
            str(options.raise_to), options.raise_to
        )
        wanted[present] = np.maximum(wanted[present], int(level))
    return wanted


def draw_rows(rows: np.ndarray, labels: np.ndarray, options: SampleOptions, *, seed: int, epoch: int = 0) -> np.ndarray:
    """Draw the training rows of an epoch, omitting some and repeating others; `labels` are those of all records."""
    if options.sampling == "none":
        return rows
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    counts = np.bincount(labels[rows])
    wanted = targets(counts, options)
    state = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    for sampler, changed in (
        (RandomUnderSampler, np.flatnonzero(wanted < counts)),
        (RandomOverSampler, np.flatnonzero(wanted > counts)),
    ):
        strategy = {int(label): int(wanted[label]) for label in changed}
        resampled, _ = sampler(sampling_strategy=strategy, random_state=state).fit_resample(
            rows.reshape(-1, 1), labels[rows]
        )
        rows = resampled[:, 0]
    return rows
