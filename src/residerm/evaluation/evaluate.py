"""From a run to its scores: the test part (or another archive) → predictions → scores, in a folder of their own.

    evaluation = evaluate(Path("runs/20260101-120000-resnet50-ham10000-64px-s0"))
    evaluation.scores["headline"]["balanced_accuracy"]      {"value": …, "low": …, "high": …, "n": …}

Whatever the run was trained with or chosen by is never scored as if it were new: of another archive, images that the
run knows are left out, and so are, in a comparison, those that the other run knows.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from residerm.atomic import new_folder
from residerm.bundle import Predictor, load
from residerm.config import EvaluateOptions, SplitOptions
from residerm.data.archives import open_archive, open_for
from residerm.data.cache import Cache, open_cache
from residerm.data.parallel import Progress as Decoded
from residerm.data.records import Records
from residerm.data.split import TEST, TRAIN, divide
from residerm.errors import UsageError
from residerm.evaluation.gallery import write_gallery
from residerm.evaluation.meeting import Meeting, meet
from residerm.evaluation.predictions import Predictions, Progress, probabilities_of
from residerm.report import draw_figures, write_card, write_report
from residerm.runs import Run, RunError, open_run, read_experiment
from residerm.scores import age_bands, assess, by_attribute, compare, divide_by_prior, headline_scores
from residerm.taxonomy import mapping_for


@dataclass(frozen=True)
class Evaluation:
    """One folder of a run's `evaluations`."""

    folder: Path
    scores: dict[str, Any]
    comparison: dict[str, Any] | None = None
    new: bool = True


@dataclass(frozen=True)
class Watch:
    """Where an evaluation tells how it goes."""

    remark: Callable[[str], None] = lambda _: None
    decoding: Decoded = lambda *_: None
    predicting: Progress = lambda *_: None


@dataclass(frozen=True)
class Subject:
    """The images of an archive that a model is to be scored on, and in which classes."""

    name: str
    part: str
    records: Records
    cache: Cache
    rows: np.ndarray
    meeting: Meeting | None  # None: in the model's own classes
    remarks: tuple[str, ...] = ()

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Index of each image's class."""
        labels: np.ndarray = (self.meeting.labels(self.records) if self.meeting else self.records.labels)[rows]
        return labels

    def predictions(
        self, predictor: Predictor, rows: np.ndarray, options: EvaluateOptions, progress: Progress
    ) -> Predictions:
        """What a model says of some of the images."""
        classes = predictor.description.classes
        shares = probabilities_of(predictor, self.cache, rows, views=8 if options.tta else 1, progress=progress)
        if options.prior:
            shares = divide_by_prior(shares, np.array(predictor.description.prior))
        if self.meeting:
            shares, classes = self.meeting.read(shares, classes), self.meeting.classes
        return Predictions(self.records, rows, classes, self.labels(rows), shares)


def evaluate(folder: Path, options: EvaluateOptions = EvaluateOptions(), watch: Watch = Watch()) -> Evaluation:
    """Score a run, and keep the result in its folder; what is there already is given back."""
    run = _finished(folder)
    predictor = load(folder, precision=options.precision)
    subject = _other_archive(run, predictor, options, watch) if options.data else _test_part(run, predictor, watch)
    target = run.folder / "evaluations" / _name(subject, options)
    if target.exists() and not options.again:
        return _reported(run, _read(target))
    for remark in subject.remarks:
        watch.remark(remark)
    began = time.perf_counter()
    other = _Other(options.against, subject, options, watch) if options.against else None
    rows = other.unknown(subject.rows) if other else subject.rows
    predictions = subject.predictions(predictor, rows, options, watch.predicting)
    scores = _scores(predictions, subject, predictor, options)
    if not options.data:
        scores |= _gap(run, subject, predictor, scores, options, watch)
    comparison = other.compared_with(predictions) if other else None
    with new_folder(target, replace=options.again) as partial:
        predictions.write(partial / "predictions.csv")
        write_gallery(predictions, partial)
        if comparison:
            (partial / "comparison.json").write_text(json.dumps(comparison, indent=2) + "\n")
        scores["seconds"] = round(time.perf_counter() - began, 1)
        (partial / "scores.json").write_text(json.dumps(scores, indent=2, ensure_ascii=False) + "\n")
        draw_figures(partial)
    return _reported(run, Evaluation(target, scores, comparison))


def _reported(run: Run, evaluation: Evaluation) -> Evaluation:
    """Write the run's report and card anew."""
    write_report(run)
    write_card(run)
    return evaluation


def _finished(folder: Path) -> Run:
    run = open_run(folder)
    if run.summary is None:
        raise RunError(f"{folder} did not finish: residerm train --resume {folder}")
    return run


def _read(target: Path) -> Evaluation:
    run = Run(target)
    comparison = run.read_json("comparison.json") if (target / "comparison.json").exists() else None
    return Evaluation(target, run.read_json("scores.json"), comparison, new=False)


def _name(subject: Subject, options: EvaluateOptions) -> str:
    """The folder's name says on what, and how."""
    parts = [subject.name, subject.part]
    if subject.meeting and subject.meeting.task != "diagnosis":
        parts.append(subject.meeting.task)
    parts += ["tta"] * options.tta + ["prior"] * options.prior
    if options.against:
        parts += ["against", options.against.resolve().name]
    return "-".join(parts)


def _test_part(run: Run, predictor: Predictor, watch: Watch) -> Subject:
    """The images that the run has set aside, with the labels that they had then."""
    experiment = read_experiment(run.folder / "config.yaml")
    records = open_for(experiment.path, experiment.archive)
    parts = divide(records, SplitOptions(split=str(run.folder / "splits.csv"))).parts
    _refuse_other_labels(run, records, predictor)
    cache = open_cache(
        records, experiment.pixels, on_bad_image=experiment.archive.on_bad_image, progress=watch.decoding
    )
    rows = _readable(cache, np.flatnonzero(parts == TEST))
    if not len(rows):
        raise UsageError(f"{run.folder}: its split has no test part; score it on another archive with --data PATH")
    return Subject(records.layout.name, "test", records, cache, rows, None)


def _refuse_other_labels(run: Run, records: Records, predictor: Predictor) -> None:
    then = {line["image_id"]: line["label"] for line in _split_lines(run)}
    changed = [
        row for row in range(len(records)) if then[records.image_id(row)] != records.classes[records.labels[row]]
    ]
    if changed or records.classes != predictor.description.classes:
        example = f", such as {records.image_id(changed[0])}" if changed else ""
        raise RunError(
            f"{records.tree.path}: {len(changed):,} images have other labels than when {run.folder} was trained"
            f"{example}: evaluate against the archive as it was, or train anew"
        )


def _other_archive(run: Run, predictor: Predictor, options: EvaluateOptions, watch: Watch) -> Subject:
    """Another archive, less the images that the run has seen and those of classes that it does not know."""
    assert options.data is not None
    description = predictor.description
    records = open_archive(options.data).require()
    meeting = meet(description.classes, description.task, records, options.task)
    cache = open_cache(records, description.pixels, progress=watch.decoding)
    mapped = np.flatnonzero(meeting.labels(records) >= 0)
    rows = _unknown(run, records, mapped)
    if not len(rows):
        raise UsageError(f"--data {options.data}: the run was trained on all of its images; none is left to score")
    remarks = [
        f"{count:,} images of class {name}: the model has none for it" for name, count in meeting.unmapped.items()
    ]
    if len(rows) < len(mapped):
        remarks.append(f"{len(mapped) - len(rows):,} images that the run was trained with or chosen by are left out")
    name = records.layout.name if records.layout.name not in ("csv", "folder") else options.data.resolve().stem
    return Subject(name, "all", records, cache, rows, meeting, tuple(remarks))


def _split_lines(run: Run) -> list[dict[str, str]]:
    with (run.folder / "splits.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _unknown(run: Run, records: Records, rows: np.ndarray) -> np.ndarray:
    """Those of the rows whose images and lesions a run has neither trained on nor validated with."""
    known = [line for line in _split_lines(run) if line["part"] != "test"]
    images, groups = {line["image_id"] for line in known}, {line["group"] for line in known}
    return np.array(
        [row for row in rows if records.image_id(row) not in images and records.group(row) not in groups], dtype=int
    )


def _readable(cache: Cache, rows: np.ndarray) -> np.ndarray:
    return rows[~np.isin(rows, list(cache.unreadable))]


def _scores(
    predictions: Predictions, subject: Subject, predictor: Predictor, options: EvaluateOptions
) -> dict[str, Any]:
    """Everything in scores.json but the gap."""
    records, description = predictions.records, predictor.description
    group_name = records.layout.grouped_by or "image"
    given = (predictions.labels, predictions.probabilities)
    task = subject.meeting.task if subject.meeting else description.task
    return {
        "format": 1,
        "archive": records.layout.title,
        "synthetic": records.layout.synthetic,
        "part": subject.part,
        "images": len(predictions.rows),
        "groups": len(np.unique(predictions.groups)),
        "group_name": group_name,
        "classes": list(predictions.classes),
        "task": task,
        "tta": options.tta,
        "prior": options.prior,
        "precision": predictor.precision,
        "mapping": subject.meeting.to_dict() if subject.meeting else None,
        **assess(
            *given, predictions.classes, predictions.groups, group_name=group_name,
            malignant=_malignant(task, predictions.classes),
        ),
        "by_attribute": by_attribute(
            *given,
            predictions.groups,
            {"sex": predictions.sexes, "age": age_bands(predictions.ages), "site": predictions.sites},
            classes=predictions.classes,
            group_name=group_name,
        ),
        "training": None,
        "gap": None,
    }  # fmt: skip


def _malignant(task: str, classes: tuple[str, ...]) -> list[str] | None:
    """The malignant classes of a model of diagnoses; None where a class does not say which side it is on."""
    if task != "diagnosis":
        return None
    try:
        mapping = mapping_for("malignancy", classes)
    except UsageError:
        return None
    return [name for name in classes if mapping.target(name) == "malignant"]


def _gap(
    run: Run, subject: Subject, predictor: Predictor, scores: dict[str, Any], options: EvaluateOptions, watch: Watch
) -> dict[str, Any]:
    """The same scores on as many images of the training part, as they are, and how much better they are."""
    parts = divide(subject.records, SplitOptions(split=str(run.folder / "splits.csv"))).parts
    rows = _readable(subject.cache, np.flatnonzero(parts == TRAIN))
    some = _some(subject.records, rows, len(subject.rows))
    predictions = subject.predictions(predictor, some, options, watch.predicting)
    headline = headline_scores(
        predictions.labels, predictions.probabilities, predictions.classes, predictions.groups,
        group_name=scores["group_name"],
    )  # fmt: skip
    values = {name: one["value"] for name, one in headline.items() if "value" in one}
    gap = {
        name: value - scores["headline"][name]["value"]
        for name, value in values.items()
        if "value" in scores["headline"][name]
    }
    return {"training": {"images": len(some), "of": len(rows), "headline": headline}, "gap": gap}


def _some(records: Records, rows: np.ndarray, images: int) -> np.ndarray:
    """Whole lesions, drawn at random, until there are so many images; in the order of the archive."""
    groups, member = np.unique(records.groups[rows], return_inverse=True)
    turn = np.random.default_rng(0).permutation(len(groups))[member]
    return np.sort(rows[np.argsort(turn, kind="stable")][:images])


class _Other:
    """The run that is compared with, on the same images, each with its own preprocessing."""

    def __init__(self, folder: Path, subject: Subject, options: EvaluateOptions, watch: Watch) -> None:
        self._run, self._options, self._watch = _finished(folder), options, watch
        self._predictor = load(folder, precision=options.precision)
        classes, own = self._predictor.description.classes, subject.meeting
        if own is None and classes != subject.records.classes:
            raise UsageError(
                f"--against {folder}: it tells {', '.join(classes)}, not {', '.join(subject.records.classes)}; "
                "compare on an archive that both can be read on, with --data"
            )
        self._subject = self._of(subject)

    def _of(self, subject: Subject) -> Subject:
        description, records = self._predictor.description, subject.records
        cache = open_cache(records, description.pixels, on_bad_image="skip", progress=self._watch.decoding)
        meeting = subject.meeting and meet(description.classes, description.task, records, subject.meeting.task)
        return Subject(subject.name, subject.part, records, cache, subject.rows, meeting)

    def unknown(self, rows: np.ndarray) -> np.ndarray:
        """The rows that this run has not seen either."""
        left = _unknown(self._run, self._subject.records, rows)
        if not len(left):
            raise UsageError(f"--against {self._run.folder}: it was trained with every image that is to be scored")
        if len(left) < len(rows):
            self._watch.remark(f"{len(rows) - len(left):,} images that {self._run.folder.name} has seen are left out")
        return left

    def compared_with(self, predictions: Predictions) -> dict[str, Any]:
        """The paired differences, the run's less this one's."""
        own = self._subject.predictions(self._predictor, predictions.rows, self._options, self._watch.predicting)
        group_name = predictions.records.layout.grouped_by or "image"
        differences = compare(
            predictions.labels, predictions.probabilities, own.probabilities, predictions.classes, predictions.groups,
            group_name=group_name,
        )  # fmt: skip
        return {"against": self._run.folder.name, **differences}
