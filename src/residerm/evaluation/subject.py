"""What a model is scored on: the test part of its run, or what it does not know of another archive.

Whatever a run was trained with or chosen by is never scored as if it were new.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from residerm.config import EvaluateOptions, SplitOptions
from residerm.data.archives import open_archive
from residerm.data.archives.records import Records
from residerm.data.dataset import Dataset
from residerm.data.loading.cache import Cache, open_cache
from residerm.errors import UsageError
from residerm.evaluation.meeting import Meeting, meet
from residerm.evaluation.painter import Hidden, Painter, painter_for
from residerm.evaluation.predictions import Predictions, outputs_of
from residerm.evaluation.unseen import tells_what_it_has_seen, unseen
from residerm.inference import ModelDescription, Predictor
from residerm.inference.answers import Answers, Rule
from residerm.progress import Progress
from residerm.runs import Run, RunError, open_run, read_experiment
from residerm.scores import divide_by_prior, named


@dataclass(frozen=True)
class Subject:
    """The images of an archive that a model is to be scored on, and in which classes."""

    name: str
    part: str
    records: Records
    cache: Cache
    rows: np.ndarray
    meeting: Meeting | None = None  # None: in the model's own classes
    training: np.ndarray | None = None  # rows of the training part, where it is the same archive
    remarks: tuple[str, ...] = ()
    painter: Painter | None = None  # of what the model is not to see

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        """Some images as the model is given them."""
        pixels = self.cache.pixels[rows]
        return pixels if self.painter is None else self.painter.painted(pixels, rows)

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Index of each image's class."""
        labels: np.ndarray = (self.meeting.labels(self.records) if self.meeting else self.records.labels)[rows]
        return labels

    def predictions(
        self, predictor: Predictor, rows: np.ndarray, options: EvaluateOptions, progress: Progress
    ) -> Predictions:
        """What a model says of some of the images."""
        rule = Rule.asked(predictor, options)
        outputs = outputs_of(predictor, self.pixels, rows, views=rule.views, progress=progress)
        answers = rule.answer(outputs)
        shares, predicted = self._read(answers, rule, options)
        classes = self.meeting.classes if self.meeting else predictor.description.classes
        return Predictions(
            self.records, rows, classes, self.labels(rows), shares, predicted, outputs, answers.judgements, rule.views
        )

    def _read(self, answers: Answers, rule: Rule, options: EvaluateOptions) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities and named classes, in the classes of the evaluation."""
        classes, prior, shares = rule.predictor.description.classes, rule.prior, answers.probabilities
        if options.prior:
            shares = divide_by_prior(shares, prior)
        if not self.meeting:
            return shares, answers.predicted if not options.prior else shares.argmax(axis=1)
        shares, prior = self.meeting.read(shares, classes), self.meeting.read(prior[None], classes)[0]
        if options.decide == "malignant":
            named_by_model = np.eye(len(classes))[answers.predicted]
            return shares, self.meeting.read(named_by_model, classes).argmax(axis=1)
        return shares, named(shares, prior, balanced=options.decide == "balanced")


def finished(folder: Path) -> Run:
    """The run in a folder, which must have come to its end."""
    run = open_run(folder)
    if run.summary is None:
        raise RunError(f"{folder} did not finish: residerm train --resume {folder}")
    return run


def own_part(run: Run, description: ModelDescription, progress: Progress) -> Subject:
    """The images that the run has set aside, with the labels that they had then."""
    experiment = read_experiment(run.folder / "config.yaml")
    as_it_was = SplitOptions(split=str(run.folder / "splits.csv"))
    dataset = Dataset.open(experiment.model_copy(update={"split": as_it_was}), progress)
    records, rows = dataset.records, dataset.test_rows
    _refuse_other_labels(run, records, description)
    if not len(rows):
        raise UsageError(f"{run.folder}: its split has no test part; score it on another archive with `data`")
    return Subject(records.layout.name, "test", records, dataset.cache, rows, training=dataset.training_rows)


def other_archive(model: Path, description: ModelDescription, options: EvaluateOptions, progress: Progress) -> Subject:
    """Another archive, less the images that the model has seen and those of classes that it does not know."""
    assert options.data is not None
    records = open_archive(options.data).require()
    meeting = meet(description.classes, description.task, records, options.task)
    cache = open_cache(records, description.pixels, progress=progress)
    mapped = np.flatnonzero(meeting.labels(records) >= 0)
    rows = unseen(model, records, mapped)
    if not len(rows):
        raise UsageError(f"`data={options.data}`: the model was trained on all of its images; none is left to score")
    remarks = [
        f"{count:,} images of class {name}: the model has none for it" for name, count in meeting.unmapped.items()
    ]
    if not tells_what_it_has_seen(model):
        remarks.append("the bundle does not tell which images it was trained on: some of these may be among them")
    if len(rows) < len(mapped):
        remarks.append(f"{len(mapped) - len(rows):,} images that the model was trained with or chosen by are left out")
    name = records.layout.name if records.layout.name not in ("csv", "folders") else options.data.resolve().stem
    return Subject(name, "all", records, cache, rows, meeting, remarks=tuple(remarks))


def hiding(subject: Subject, hidden: Hidden | None, description: ModelDescription, progress: Progress) -> Subject:
    """The images of a subject with the lesion or the background painted over; those without a fitting mask left out."""
    if hidden is None:
        return subject
    painter, remark = painter_for(hidden, subject.records, subject.rows, description, progress)
    remarks = (*subject.remarks, *([remark] if remark else []))
    return replace(subject, rows=painter.rows, training=None, remarks=remarks, painter=painter)


def _refuse_other_labels(run: Run, records: Records, description: ModelDescription) -> None:
    then = {row.image_id: row.label for row in run.splits}
    changed = [
        row for row in range(len(records)) if then[records.image_id(row)] != records.classes[records.labels[row]]
    ]
    if changed or records.classes != description.classes:
        example = f", such as {records.image_id(changed[0])}" if changed else ""
        raise RunError(
            f"{records.tree.path}: {len(changed):,} images have other labels than when {run.folder} was trained"
            f"{example}: evaluate against the archive as it was, or train anew"
        )
