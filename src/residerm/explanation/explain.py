"""Explain the predictions of a model for image files: the evidence for and against a class in each image.

    for one in explain("runs/20260101-120000-resnet50-ham10000-64px-s0", ["lesion.jpg"], class_="mel"):
        print(one.predicted, one.map.shape, one.error)

The explanation of an unreadable image holds the reason. Not a medical device and not a diagnosis; the evidence shows
what the model used, not what the lesion is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from residerm import imaging
from residerm.config import Method, PixelSpec
from residerm.errors import ImageError, UsageError, nearest
from residerm.explanation import target
from residerm.explanation.evidence import Evidence
from residerm.explanation.methods import METHODS, ExplainedModel, compute_evidence, default_method
from residerm.inference import Predictor
from residerm.inference.answers import Answers, Rule
from residerm.inference.bundle import read_neighbours
from residerm.inference.neighbours import TrainingImages
from residerm.inference.sources import Source, find_sources
from residerm.outputs import Outputs
from residerm.parallel import cores
from residerm.progress import SILENT, Progress

_MOST_BYTES = 2**24  # of a file that is kept until it is drawn
PANEL = 320  # width and height of the image in a picture, in pixels

_Read = tuple[np.ndarray, bytes] | str  # pixels as the model takes them and the file, or why there are none


@dataclass(frozen=True, eq=False)
class TrainingNeighbour:
    """A training image with features similar to those of the image."""

    image_id: str
    label: str  # its class
    similarity: float  # the cosine of the angle between the features; 1 for the same image
    picture: np.ndarray | None = None  # (h, w, 3) uint8; None if the model stores no pictures


@dataclass(frozen=True, eq=False)
class Explanation:
    """The evidence in one image, or an error."""

    name: str
    error: str = ""
    predicted: str = ""
    explained: str = ""  # the class that the evidence is for
    against: str = ""  # the class that it is against; empty: all others
    probabilities: tuple[float, ...] = ()  # calibrated if the model was
    prediction_set: tuple[str, ...] | None = None  # None: the model has no trust
    remarks: tuple[str, ...] = ()  # why the prediction is not reliable
    neighbours: tuple[TrainingNeighbour, ...] = ()  # the nearest first
    method: Method = "cam"
    stage: str = ""
    value: float = 0.0  # of the target, in logits
    map: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))  # (h, w), in logits
    pixels: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 3), np.uint8))  # as the model takes them
    data: bytes = b""  # the image file; empty for large ones, to save memory
    spec: PixelSpec = field(default_factory=PixelSpec)  # how it is read

    @cached_property
    def shown(self) -> np.ndarray:
        """The image as the model crops it, at a higher resolution if possible; read only when it is drawn."""
        try:
            return imaging.read(self.data, self.spec.model_copy(update={"size": max(PANEL, self.spec.size)}))
        except ImageError:  # an image that is readable at a reduced scale may be too large at this one
            return self.pixels

    @property
    def full(self) -> float:
        """The evidence, in logits, at which the colour is saturated."""
        return METHODS[self.method].full


@dataclass(frozen=True)
class _Question:
    """The options that apply to every image."""

    number: int | None  # index of a class; None: the predicted one
    other: int | None
    method: Method | None
    stage: str | None
    neighbours: int = 0
    training: TrainingImages | None = None  # among which neighbours are looked for

    def target(self, outputs: Outputs, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The indices of the explained classes, and the weights of the logits."""
        images, classes = outputs.logits.shape
        numbers = predicted if self.number is None else np.full(images, self.number)
        if self.number is not None and self.other is not None:
            return numbers, target.for_difference(classes, self.number, self.other, images)
        return numbers, target.for_class(classes, numbers)


def explain(
    model: str | Path | Predictor,
    images: Sequence[str | Path | Source],
    class_: str | None = None,
    method: Method | None = None,
    *,
    stage: str | None = None,
    compare: tuple[str, str] | None = None,
    neighbours: int = 0,
    batch_size: int = 16,
    progress: Progress = SILENT,
) -> Iterator[Explanation]:
    """Yield the evidence for a class, or for the predicted one, in each image file, in the given order."""
    subject = ExplainedModel.open(model)
    question = _question(subject.predictor.description.classes, class_, compare, method, stage)
    if neighbours:
        question = replace(question, neighbours=neighbours, training=_training_images(model, subject))
    found = find_sources(images)
    if found.remark:
        progress.remark(found.remark)
    return _explained(subject, question, found.images, batch_size, progress)


def _question(
    classes: Sequence[str],
    class_: str | None,
    compare: tuple[str, str] | None,
    method: Method | None,
    stage: str | None,
) -> _Question:
    if class_ is not None and compare is not None:
        raise UsageError(
            "`class` and `compare` cannot be combined: compare explains its first class against its second"
        )
    if compare is not None and compare[0] == compare[1]:
        raise UsageError(f"`compare`: {compare[0]} and {compare[1]} are the same class; give two different ones")
    if method is not None and method not in METHODS:
        raise UsageError(f"`method={method}`: the methods are {', '.join(METHODS)}.{nearest(method, METHODS)}")
    first, second = compare or (class_, None)
    return _Question(_number(classes, first), _number(classes, second), method, stage)


def _training_images(model: str | Path | Predictor, subject: ExplainedModel) -> TrainingImages:
    if isinstance(model, Predictor):
        raise UsageError("`neighbours`: a predictor has no training images; give the run or bundle instead")
    return read_neighbours(Path(model), subject.predictor.description)


def _number(classes: Sequence[str], name: str | None) -> int | None:
    if name is not None and name not in classes:
        raise UsageError(
            f"`class={name}`: the model does not have this class; its classes are {', '.join(classes)}."
            f"{nearest(name, classes)}"
        )
    return None if name is None else list(classes).index(name)


def _explained(
    subject: ExplainedModel, question: _Question, found: Sequence[Source], batch_size: int, progress: Progress
) -> Iterator[Explanation]:
    spec = subject.predictor.description.pixels

    def read(source: Source) -> _Read:
        try:
            data = source.read()
            return imaging.read(data, spec), data if len(data) <= _MOST_BYTES else b""
        except ImageError as error:
            return str(error)

    with ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(found), batch_size):
            some = found[start : start + batch_size]
            yield from _of_batch(subject, question, some, list(pool.map(read, some)))
            progress.advance("explaining", min(start + batch_size, len(found)), len(found))


def _of_batch(
    subject: ExplainedModel, question: _Question, some: Sequence[Source], read: Sequence[_Read]
) -> Iterator[Explanation]:
    pairs = [(source.name, *one) for source, one in zip(some, read, strict=True) if not isinstance(one, str)]
    answers = _answers(subject, question, pairs) if pairs else iter(())
    for source, one in zip(some, read, strict=True):
        yield Explanation(source.name, one) if isinstance(one, str) else next(answers)


def _answers(
    subject: ExplainedModel, question: _Question, pairs: Sequence[tuple[str, np.ndarray, bytes]]
) -> Iterator[Explanation]:
    predictor, pixels = subject.predictor, np.stack([one for _, one, _ in pairs])
    outputs = predictor.outputs(pixels, maps=question.method in (None, "cam"))
    answers, classes = Rule(predictor).answer(outputs), predictor.description.classes
    numbers, weights = question.target(outputs, answers.predicted)
    evidence = _evidence(subject, question, pixels, outputs, weights)
    values = target.values(outputs.logits, weights)
    near = _neighbours(question, outputs, classes)
    for place, (name, one, data) in enumerate(pairs):
        yield replace(
            _verdict(answers, place, classes),
            name=name,
            explained=classes[int(numbers[place])],
            against="" if question.other is None else classes[question.other],
            method=evidence.method,
            stage=evidence.stage,
            value=float(values[place]),
            map=evidence.maps[place],
            pixels=one,
            data=data,
            spec=predictor.description.pixels,
            neighbours=near[place],
        )


def _verdict(answers: Answers, place: int, classes: Sequence[str]) -> Explanation:
    """The prediction for one image, with prediction set and remarks if the model has trust."""
    judged = answers.judgements
    inside = None if judged is None else judged.sets[place]
    return Explanation(
        "",
        predicted=classes[int(answers.predicted[place])],
        probabilities=tuple(answers.probabilities[place].tolist()),
        prediction_set=None if inside is None else tuple(np.array(classes)[inside].tolist()),
        remarks=answers.remarks[place],
    )


def _neighbours(
    question: _Question, outputs: Outputs, classes: Sequence[str]
) -> Sequence[tuple[TrainingNeighbour, ...]]:
    if question.training is None or outputs.features is None:
        return [()] * len(outputs)
    found = question.training.nearest(outputs.features, question.neighbours)
    return [
        tuple(TrainingNeighbour(one.image_id, classes[one.label], one.similarity, one.picture) for one in near)
        for near in found
    ]


def _evidence(
    subject: ExplainedModel, question: _Question, pixels: np.ndarray, outputs: Outputs, weights: np.ndarray
) -> Evidence:
    method, stage = question.method, question.stage
    if method is None:
        method, chosen = default_method(subject, outputs)
        stage = stage or chosen
    return compute_evidence(subject, pixels, outputs, weights, method, stage)
