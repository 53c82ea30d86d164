"""Compare two models on the same images, which neither was trained on, by paired differences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from residerm.config import EvaluateOptions
from residerm.data.loading.cache import open_cache
from residerm.errors import UsageError
from residerm.evaluation.alignment import align_classes
from residerm.evaluation.evaluation_set import EvaluationSet, finished
from residerm.evaluation.predictions import Predictions
from residerm.evaluation.unseen import unseen
from residerm.inference import load
from residerm.inference.bundle import find_bundle
from residerm.inference.identity import bundle_hash
from residerm.progress import Progress
from residerm.runs import RunComparison, is_run
from residerm.scores import compare


class Other:
    """The model to compare with, on the same images but with its own preprocessing."""

    def __init__(self, path: Path, images: EvaluationSet, options: EvaluateOptions, progress: Progress) -> None:
        self._path, self._options, self._progress = path, options, progress
        if is_run(path):
            finished(path)
        self._predictor = load(path, precision=options.precision)
        self.name, self.hash = path.resolve().name, bundle_hash(find_bundle(path))
        classes = self._predictor.description.classes
        if images.alignment is None and classes != images.records.classes:
            raise UsageError(
                f"`against={path}`: its classes are {', '.join(classes)}, not {', '.join(images.records.classes)}; "
                "compare on another archive with `data`"
            )
        self._images = self._of(images)

    def _of(self, images: EvaluationSet) -> EvaluationSet:
        description, records = self._predictor.description, images.records
        cache = open_cache(records, description.pixels, on_bad_image="skip", progress=self._progress)
        task = images.alignment and images.alignment.task
        alignment = align_classes(description.classes, description.task, records, task) if task else None
        return replace(images, cache=cache, alignment=alignment)

    def unseen(self, rows: np.ndarray) -> np.ndarray:
        """The rows that this model was not trained on or selected by either."""
        left = unseen(self._path, self._images.records, rows)
        if not len(left):
            raise UsageError(f"`against={self._path}`: all images to be scored were used to train it")
        if len(left) < len(rows):
            self._progress.remark(f"{len(rows) - len(left):,} images that {self.name} was trained on are left out")
        return left

    def compared_with(self, predictions: Predictions) -> RunComparison:
        """The paired differences: the scores of the first model minus those of this one."""
        own = self._images.predictions(self._predictor, predictions.rows, self._options, self._progress)
        group_name = predictions.records.layout.grouped_by or "image"
        differences = compare(
            predictions.labels, predictions.probabilities, own.probabilities, predictions.classes, predictions.groups,
            predicted=(predictions.predicted, own.predicted), group_name=group_name,
        )  # fmt: skip
        return RunComparison(against=self.name, **dict(differences))
