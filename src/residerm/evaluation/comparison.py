"""Two runs on the same images: the paired difference, where neither run has seen any of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from residerm.config import EvaluateOptions
from residerm.data.loading.cache import open_cache
from residerm.errors import UsageError
from residerm.evaluation.meeting import meet
from residerm.evaluation.predictions import Predictions
from residerm.evaluation.subject import Subject, finished
from residerm.evaluation.unseen import is_run, unseen
from residerm.inference import load
from residerm.progress import Progress
from residerm.runs import RunComparison
from residerm.scores import compare


class Other:
    """The run that is compared with, on the same images, each with its own preprocessing."""

    def __init__(self, folder: Path, subject: Subject, options: EvaluateOptions, progress: Progress) -> None:
        self._folder, self._options, self._progress = folder, options, progress
        if is_run(folder):
            finished(folder)
        self._predictor = load(folder, precision=options.precision)
        classes, own = self._predictor.description.classes, subject.meeting
        if own is None and classes != subject.records.classes:
            raise UsageError(
                f"`against={folder}`: it tells {', '.join(classes)}, not {', '.join(subject.records.classes)}; "
                "compare on an archive that both can be read on, with `data`"
            )
        self._subject = self._of(subject)

    def _of(self, subject: Subject) -> Subject:
        description, records = self._predictor.description, subject.records
        cache = open_cache(records, description.pixels, on_bad_image="skip", progress=self._progress)
        meeting = subject.meeting and meet(description.classes, description.task, records, subject.meeting.task)
        return Subject(subject.name, subject.part, records, cache, subject.rows, meeting)

    def unknown(self, rows: np.ndarray) -> np.ndarray:
        """The rows that this run has not seen either."""
        left = unseen(self._folder, self._subject.records, rows)
        if not len(left):
            raise UsageError(f"`against={self._folder}`: it was trained with every image that is to be scored")
        if len(left) < len(rows):
            self._progress.remark(f"{len(rows) - len(left):,} images that {self._folder.name} has seen are left out")
        return left

    def compared_with(self, predictions: Predictions) -> RunComparison:
        """The paired differences, the run's less this one's."""
        own = self._subject.predictions(self._predictor, predictions.rows, self._options, self._progress)
        group_name = predictions.records.layout.grouped_by or "image"
        differences = compare(
            predictions.labels, predictions.probabilities, own.probabilities, predictions.classes, predictions.groups,
            predicted=(predictions.predicted, own.predicted), group_name=group_name,
        )  # fmt: skip
        return RunComparison(against=self._folder.name, **dict(differences))
