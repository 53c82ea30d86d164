"""The accuracy that runs of a recipe had at each confidence on their test parts, for the starter model.

Each run predicts one view of every image of its test part; its calibration is fitted on its validation part. The ranges
of confidence are those of the reliability in an evaluation, over the test parts of all runs together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from residerm.data.dataset import Dataset
from residerm.inference import load
from residerm.inference.observations import Observations
from residerm.progress import Progress
from residerm.runs import open_run
from residerm.scores.assessment import reliability
from residerm.scores.images import Images
from residerm.trust.calibration import fit_calibration


def observe(runs: Sequence[Path], progress: Progress) -> Observations:
    """The observations on the test parts of several runs on one archive."""
    found = [_answered(run, progress) for run in runs]
    labels, probabilities = (np.concatenate(parts) for parts in zip(*found, strict=True))
    description = load(runs[0]).description
    images = Images(labels, probabilities, probabilities.argmax(axis=1), description.classes, np.arange(len(labels)))
    parts = "the test part of a network" if len(runs) == 1 else f"the test parts of {len(runs)} networks"
    where = f"{parts} trained the same way on other lesions of {description.archive}"
    return Observations(where=where, ranges=reliability(images))


def _answered(run: Path, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the test part, and calibrated probabilities."""
    dataset, predictor = Dataset.open(open_run(run).experiment, progress), load(run)
    labels, groups = dataset.records.labels, dataset.records.groups
    validation, test = dataset.validation_rows, dataset.test_rows
    if not len(test):
        raise SystemExit(f"{run} has no test part")
    progress.remark(f"{run.name}: {len(test):,} test images")
    known = predictor.outputs(dataset.cache.pixels[validation]).logits
    calibration = fit_calibration(known, labels[validation], groups[validation]).calibration
    return labels[test], calibration.probabilities(predictor.outputs(dataset.cache.pixels[test]).logits)
