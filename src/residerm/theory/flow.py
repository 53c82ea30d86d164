"""`residerm theory flow`: the gradient that reaches each layer, with and without shortcuts.

fresh = flow_of_fresh()                        every kind, depth and initialisation, and during training
trained = flow_of_run(Path("runs/…"))          is my network's gradient healthy?
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from residerm.config import FlowOptions
from residerm.models.model import IMAGENET_DEVIATION, IMAGENET_MEAN, Normalise
from residerm.progress import SILENT, Progress
from residerm.theory.depths import blocks_per_stage
from residerm.theory.images import LabelledImages, images_of_archive, images_of_run, name_of
from residerm.theory.layers import Measured, MeasuredDict, measure
from residerm.theory.plain import KINDS, Initialisation, Kind, network

STARTS: tuple[Initialisation, ...] = ("good", "poor")
_IMAGES, _SIZE, _BATCH = 256, 32, 32
_LOOKS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)  # steps after which the layers are measured


class CourseDict(MeasuredDict):
    """An untrained network as plain data."""

    network: str
    initialisation: Initialisation
    depth: int


class TrainingDict(TypedDict):
    """A network during training as plain data; the keys of the mappings are steps."""

    network: str
    depth: int
    losses: list[float]
    first_layer_log10_gradient: dict[int, float | None]
    receiving_nothing: dict[int, list[str]]


class FreshFlowDict(TypedDict):
    """Networks before and during training as plain data."""

    images: str
    at_initialisation: list[CourseDict]
    during_training: list[TrainingDict]


class RunFlowDict(MeasuredDict):
    """The layers of a trained network as plain data."""

    model: str
    images: str


@dataclass(frozen=True)
class Course:
    """An untrained network, with measurements of all layers."""

    kind: Kind
    start: Initialisation
    depth: int
    measured: Measured

    def to_dict(self) -> CourseDict:
        """The measurements as plain data, for JSON."""
        return {
            "network": KINDS[self.kind],
            "initialisation": self.start,
            "depth": self.depth,
            **self.measured.to_dict(),
        }


@dataclass(frozen=True)
class Training:
    """A network during training: its layers after some steps, and its loss at every step."""

    kind: Kind
    depth: int
    looks: dict[int, Measured]
    losses: tuple[float, ...]

    def to_dict(self) -> TrainingDict:
        """The measurements as plain data, for JSON."""
        return {
            "network": KINDS[self.kind],
            "depth": self.depth,
            "losses": list(self.losses),
            "first_layer_log10_gradient": {step: one.layers[0].gradient for step, one in self.looks.items()},
            "receiving_nothing": {step: one.starved for step, one in self.looks.items()},
        }


@dataclass(frozen=True)
class FreshFlow:
    """Networks of every kind, before and during training."""

    images: str
    courses: tuple[Course, ...]
    trainings: tuple[Training, ...]

    def to_dict(self) -> FreshFlowDict:
        """The measurements as plain data, for JSON."""
        return {
            "images": self.images,
            "at_initialisation": [one.to_dict() for one in self.courses],
            "during_training": [one.to_dict() for one in self.trainings],
        }


@dataclass(frozen=True)
class RunFlow:
    """The layers of a trained network, on images that it was trained on."""

    model: str
    images: str
    measured: Measured

    def to_dict(self) -> RunFlowDict:
        """The measurements as plain data, for JSON."""
        return {"model": self.model, "images": self.images, **self.measured.to_dict()}


def flow_of_fresh(
    data: Path | None = None, options: FlowOptions = FlowOptions(), progress: Progress = SILENT
) -> FreshFlow:
    """Measure untrained networks on an archive, or on the synthetic one; then train some, and measure them again."""
    for depth in (*options.depths, options.training_depth):
        blocks_per_stage(depth)  # refused before work starts
    images = images_of_archive(data, _IMAGES, _SIZE, progress)
    width, seed, steps = options.width, options.seed, options.steps
    courses = at_initialisation(images, options.depths, width=width, seed=seed, progress=progress)
    depth = options.training_depth
    learning = while_training(images, depth, steps, width=width, seed=seed, progress=progress) if steps else []
    return FreshFlow(images.source, tuple(courses), tuple(learning))


def at_initialisation(
    images: LabelledImages, depths: Sequence[int], *, width: int = 8, seed: int = 0, progress: Progress = SILENT
) -> list[Course]:
    """Measure every kind of network at every depth, with both initialisations, before any training."""
    plan = list(product(STARTS, KINDS, depths))
    pixels, labels, courses = normalised(images)[:_BATCH], images.labels[:_BATCH], []
    with _one_thread():
        for done, (start, kind, depth) in enumerate(plan):
            progress.advance("measuring", done, len(plan), unit="networks", note=f"{KINDS[kind]}, {depth} layers")
            fresh = network(kind, depth, images.classes, width=width, start=start, seed=seed)
            courses.append(Course(kind, start, depth, measure(fresh, pixels, labels)))
    return courses


def while_training(
    images: LabelledImages, depth: int, steps: int, *, width: int = 8, seed: int = 0, progress: Progress = SILENT
) -> list[Training]:
    """Train every kind from its good initialisation for some steps of Adam; measure its layers at some of them."""
    trainings = []
    with _one_thread():
        for number, kind in enumerate(KINDS):
            fresh = network(kind, depth, images.classes, width=width, start="good", seed=seed)
            learning = _Learning(fresh, images, seed)
            looks: dict[int, Measured] = {}
            for step in range(steps + 1):
                if step in _LOOKS or step == steps:
                    looks[step] = learning.look()
                if step < steps:
                    learning.step()
                progress.advance("training", number * steps + step, len(KINDS) * steps, unit="steps", note=KINDS[kind])
            trainings.append(Training(kind, depth, looks, tuple(learning.losses)))
    return trainings


def flow_of_run(run: Path, progress: Progress = SILENT) -> RunFlow:
    """Measure the selected network of a run, on a batch of its training images."""
    model, description, images = images_of_run(run, 2 * _BATCH, progress)
    measured = measure(model.network, model.normalise(images.pixels), images.labels)
    return RunFlow(name_of(description), images.source, measured)


def normalised(images: LabelledImages) -> Tensor:
    """The pixels, normalised as inputs of networks."""
    pixels: Tensor = Normalise(IMAGENET_MEAN, IMAGENET_DEVIATION)(images.pixels)
    return pixels


class _Learning:
    """A network and its optimiser: Adam with the paper's rate of 0.001, batches in a random order."""

    def __init__(self, bare: nn.Module, images: LabelledImages, seed: int) -> None:
        self._network, self._pixels, self._labels = bare.train(), normalised(images), images.labels
        self._optimizer = torch.optim.Adam(bare.parameters(), lr=0.001)
        self._random = torch.Generator().manual_seed(seed)
        self.losses: list[float] = []

    def look(self) -> Measured:
        """Measure the layers in their current state, always on the same batch."""
        return measure(self._network, self._pixels[:_BATCH], self._labels[:_BATCH])

    def step(self) -> None:
        """Train one step on a random batch."""
        rows = torch.randint(len(self._labels), (_BATCH,), generator=self._random)
        loss = F.cross_entropy(self._network(self._pixels[rows]), self._labels[rows])
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self.losses.append(loss.item())


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread: networks this small are slower with several, up to four times on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
