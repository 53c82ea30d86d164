"""The images on which a model is scored: the test part of its run, or the new images of another archive.

Images that were used for training or model selection are never scored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from residerm.config import EvaluateOptions, SplitOptions
from residerm.data.archives import open_archive
from residerm.data.archives.records import Records
from residerm.data.dataset import Dataset
from residerm.data.loading.cache import Cache, open_cache
from residerm.data.loading.contents import contents_of
from residerm.errors import UsageError, counted, listed
from residerm.evaluation.alignment import ClassAlignment, align_classes
from residerm.evaluation.painter import Hidden, Painter, painter_for
from residerm.evaluation.predictions import Predictions, outputs_of
from residerm.evaluation.unseen import lists_seen_images, unseen
from residerm.inference import ModelDescription, Predictor
from residerm.inference.answers import Answers, Rule
from residerm.progress import Progress
from residerm.runs import Run, RunError, SplitRow, open_run
from residerm.scores import divide_by_prior, named

_PLAIN = ("csv", "folders")  # generic layouts, whose names say nothing about the archive


@dataclass(frozen=True)
class EvaluationSet:
    """The images of an archive that a model is scored on, and the classes."""

    name: str
    part: str
    path: Path
    records: Records
    cache: Cache
    rows: np.ndarray
    alignment: ClassAlignment | None = None  # None: the model's own classes
    training: np.ndarray | None = None  # rows of the training part, if it is the same archive
    remarks: tuple[str, ...] = ()
    painter: Painter | None = None  # paints over what the model is not to see

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        """The pixels of some images, painted over if there is a painter."""
        pixels = self.cache.pixels[rows]
        return pixels if self.painter is None else self.painter.painted(pixels, rows)

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """The class index of each image."""
        labels: np.ndarray = (self.alignment.labels(self.records) if self.alignment else self.records.labels)[rows]
        return labels

    def predictions(
        self, predictor: Predictor, rows: np.ndarray, options: EvaluateOptions, progress: Progress
    ) -> Predictions:
        """The predictions of a model for some of the images."""
        rule = Rule.asked(predictor, options)
        outputs = outputs_of(predictor, self.pixels, rows, views=rule.views, progress=progress)
        answers = rule.answer(outputs)
        probabilities, predicted = self._in_common_classes(answers, rule, options)
        classes = self.alignment.classes if self.alignment else predictor.description.classes
        return Predictions(
            self.records, rows, classes, self.labels(rows), probabilities, predicted, outputs, answers.judgements,
            rule.views,
        )  # fmt: skip

    def _in_common_classes(
        self, answers: Answers, rule: Rule, options: EvaluateOptions
    ) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities and predicted classes, in the classes of the evaluation."""
        classes, prior, probabilities = rule.predictor.description.classes, rule.prior, answers.probabilities
        if options.prior:
            probabilities = divide_by_prior(probabilities, prior)
        if not self.alignment:
            return probabilities, answers.predicted if not options.prior else probabilities.argmax(axis=1)
        probabilities = self.alignment.summed(probabilities, classes)
        prior = self.alignment.summed(prior[None], classes)[0]
        if options.decide == "malignant":
            named_by_model = np.eye(len(classes))[answers.predicted]
            return probabilities, self.alignment.summed(named_by_model, classes).argmax(axis=1)
        return probabilities, named(probabilities, prior, balanced=options.decide == "balanced")

    def content_hash(self) -> str:
        """SHA-256 of the scored images: their files, and the label, group and attributes of each."""
        digest = hashlib.sha256("\n".join(self.records.classes).encode())
        for row, (size, crc) in zip(self.rows.tolist(), contents_of(self.records, self.rows), strict=True):
            known = self.records.table[row]
            metadata = (self.records.group(row), known["label"], known["sex"], known["age"], known["site"])
            digest.update(f"{size} {crc} {metadata}\n".encode())
        digest.update("\n".join((*self.records.sexes, *self.records.sites)).encode())
        return digest.hexdigest()


def finished(folder: Path) -> Run:
    """Open the run in a folder, which must be finished."""
    run = open_run(folder)
    if run.summary is None:
        raise RunError(f"{folder} is not finished; resume it with residerm train --resume {folder}")
    return run


def own_test_part(
    run: Run, description: ModelDescription, options: EvaluateOptions, progress: Progress
) -> EvaluationSet:
    """The test part of the run; an error if labels have changed since training."""
    trained_on = run.splits
    split = SplitOptions(split=str(run.folder / "splits.csv"))
    experiment = run.experiment.model_copy(update={"split": split})
    dataset = Dataset.open(experiment, progress)
    records, rows = dataset.records, dataset.test_rows
    _refuse_other_labels(run, trained_on, records, description)
    if not len(rows):
        raise UsageError(f"{run.folder} has no test part: score it on another archive with `data`")
    other_task = options.task not in (None, description.task)
    alignment = align_classes(description.classes, description.task, records, options.task) if other_task else None
    return EvaluationSet(
        records.layout.name, "test", experiment.path, records, dataset.cache, rows, alignment, dataset.training_rows
    )


def other_archive(
    model: Path, description: ModelDescription, options: EvaluateOptions, progress: Progress
) -> EvaluationSet:
    """The images of another archive, except those used for training and those of classes the model does not have."""
    assert options.data is not None
    records = open_archive(options.data, layout=options.layout).require(options.on_bad_image)
    alignment = align_classes(description.classes, description.task, records, options.task)
    cache = open_cache(records, description.pixels, on_bad_image=options.on_bad_image, progress=progress)
    mapped = np.flatnonzero(alignment.labels(records) >= 0)
    mapped = mapped[~np.isin(mapped, list(cache.unreadable))]
    rows = unseen(model, records, mapped)
    if not len(rows):
        raise UsageError(f"`data={options.data}`: the model was trained on all of its images; none are left to score")
    remarks = [*records.merged, *records.shortage]
    remarks += [
        f"{count:,} images of class {name} are left out: the model does not have it"
        for name, count in alignment.unmapped.items()
    ]
    if cache.unreadable:
        first = listed((records.where(row) for row in cache.unreadable), most=3)
        remarks.append(f"{counted(len(cache.unreadable), 'unreadable image')} left out: {first}")
    if not lists_seen_images(model):
        remarks.append("the bundle does not list its training images: some of them may be among these")
    if len(rows) < len(mapped):
        remarks.append(f"{len(mapped) - len(rows):,} images used for training or model selection are left out")
    name = records.layout.name if records.layout.name not in _PLAIN else options.data.resolve().stem
    return EvaluationSet(name, "all", options.data, records, cache, rows, alignment, remarks=tuple(remarks))


def hiding(
    images: EvaluationSet, hidden: Hidden | None, description: ModelDescription, progress: Progress
) -> EvaluationSet:
    """The images with the lesion or the background painted over; those without a valid mask are left out."""
    if hidden is None:
        return images
    painter, remark = painter_for(hidden, images.records, images.rows, description, progress)
    remarks = (*images.remarks, *([remark] if remark else []))
    return replace(images, rows=painter.rows, training=None, remarks=remarks, painter=painter)


def _refuse_other_labels(
    run: Run, trained_on: Sequence[SplitRow], records: Records, description: ModelDescription
) -> None:
    then = {row.image_id: row.label for row in trained_on}
    changed = [
        row for row in range(len(records)) if then[records.image_id(row)] != records.classes[records.labels[row]]
    ]
    if changed or records.classes != description.classes:
        example = f", such as {records.image_id(changed[0])}" if changed else ""
        raise RunError(
            f"{records.tree.path}: the labels of {len(changed):,} images have changed since {run.folder} was trained"
            f"{example}: evaluate on the original archive, or train again"
        )
