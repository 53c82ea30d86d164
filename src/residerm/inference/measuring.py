"""Measure how closely a graph matches the network in torch, on real images, including decoding."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from residerm.config import ExportPrecision
from residerm.inference.parity import BATCHES, SCORES, TOLERANCE, Engine, RuntimeParity, ScoreDifference
from residerm.inference.predictor import Predictor
from residerm.outputs import Outputs, view
from residerm.progress import SILENT, Progress
from residerm.scores import compare

_IMAGES = 2 * max(BATCHES)  # number of images compared in float32
_VIEWS = 8  # views of each image in low precision
_CHUNK = 16
_REPEATS = 7
_PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}


@dataclass(frozen=True)
class Sample:
    """Real images with labels and groups; they are read lazily."""

    source: str
    read: Callable[[int], bytes]
    labels: np.ndarray  # (n,) index into the classes
    groups: np.ndarray  # (n,) lesion or patient

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, predictor: Predictor, numbers: range | np.ndarray) -> np.ndarray:
        """Some of the images, as pixels for a model."""
        return np.stack([predictor.pixels(self.read(int(number))) for number in numbers])


def compared_images(sample: Sample, precision: ExportPrecision) -> int:
    """The number of images of a sample that are compared."""
    return min(len(sample), _IMAGES) if precision == "float32" else len(sample)


def compared_views(precision: ExportPrecision) -> int | None:
    """The number of views in which each image is compared; None: only the image itself."""
    return None if precision == "float32" else _VIEWS


def measure_parity(
    engine: Engine,
    graph: Predictor,
    reference: Predictor,
    sample: Sample,
    precision: ExportPrecision,
    progress: Progress = SILENT,
) -> RuntimeParity:
    """Compare a graph in a runtime with the network in torch."""
    numbers = np.linspace(0, len(sample) - 1, compared_images(sample, precision)).astype(int)
    compared = _Compared()
    for pixels, done in _chunks(sample, reference, numbers, compared_views(precision) or 1):
        compared.add(graph.outputs(pixels, maps=True), reference.outputs(pixels, maps=True))
        progress.advance("comparing", done, len(numbers))
    low = precision != "float32"
    if not low:  # in low precision, rounding does not depend on the batch
        for batch in BATCHES:
            pixels = sample.pixels(reference, numbers)
            compared.widen(graph.outputs(pixels, maps=True, batch_size=batch), reference.outputs(pixels, maps=True))
    costs, reasons = _costs(compared, sample, reference.description.classes) if low else (None, {})
    return RuntimeParity(
        runtime=engine,
        version=version(_PACKAGES[engine]),
        logits=compared.largest["logits"] or 0.0,
        features=compared.largest["features"],
        maps=compared.largest["maps"],
        other_class=_other_class(compared.found, compared.expected, 0.0 if low else TOLERANCE),
        milliseconds=_milliseconds(graph, sample.pixels(reference, numbers[:1])),
        scores=costs,
        undefined=reasons,
    )


class _Compared:
    """The logits of graph and network, and the largest differences between their outputs."""

    def __init__(self) -> None:
        self._logits: list[tuple[np.ndarray, np.ndarray]] = []
        self.largest: dict[str, float | None] = {"logits": None, "features": None, "maps": None}

    def add(self, found: Outputs, expected: Outputs) -> None:
        """Add the outputs of more images."""
        self._logits.append((found.logits, expected.logits))
        self.widen(found, expected)

    def widen(self, found: Outputs, expected: Outputs) -> None:
        """Update the largest differences, without adding images."""
        for name, before in self.largest.items():
            one, other = getattr(found, name), getattr(expected, name)
            if one is not None and other is not None:
                self.largest[name] = max(before or 0.0, float(np.abs(one.astype(np.float64) - other).max()))

    @property
    def found(self) -> Outputs:
        """The logits of the graph."""
        return Outputs(np.concatenate([one for one, _ in self._logits]))

    @property
    def expected(self) -> Outputs:
        """The logits of the network."""
        return Outputs(np.concatenate([other for _, other in self._logits]))


def _chunks(sample: Sample, predictor: Predictor, numbers: np.ndarray, views: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the pixels of the images in chunks, with the views of each image in sequence, and the images so far."""
    for start in range(0, len(numbers), _CHUNK):
        pixels = sample.pixels(predictor, numbers[start : start + _CHUNK])
        seen = np.stack([view(pixels, number) for number in range(views)], axis=1)
        yield seen.reshape(-1, *pixels.shape[1:]), start + len(pixels)


def _other_class(found: Outputs, expected: Outputs, tie: float) -> int:
    """The number of answers with a different most probable class; logits within the tolerance are a tie."""
    rows, first = np.arange(len(found)), found.logits.argmax(axis=1)
    behind = expected.logits.max(axis=1) - expected.logits[rows, first]
    return int((behind > 2 * tie).sum())


def _milliseconds(predictor: Predictor, pixels: np.ndarray) -> float:
    predictor.outputs(pixels)
    times = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        predictor.outputs(pixels)
        times.append(time.perf_counter() - began)
    return round(1000 * statistics.median(times), 3)


def _costs(
    outputs: _Compared, sample: Sample, classes: tuple[str, ...]
) -> tuple[dict[str, ScoreDifference], dict[str, str]]:
    """The paired differences of the scores with intervals over lesions, and the reasons for missing ones."""
    found, expected = outputs.found, outputs.expected
    labels, groups = np.repeat(sample.labels, _VIEWS), np.repeat(sample.groups, _VIEWS)
    compared = compare(labels, found.probabilities, expected.probabilities, classes, groups)
    same_classes = bool((found.logits.argmax(1) == expected.logits.argmax(1)).all())
    costs, reasons = {}, {}
    for name in SCORES:
        one = compared.differences[name]
        if one.value is not None and one.interval:
            costs[name] = ScoreDifference(value=one.value, low=one.interval[0], high=one.interval[1])
        elif name == "balanced_accuracy" and same_classes:  # all resamples are equal, so there is no interval
            costs[name] = ScoreDifference(value=0.0, low=0.0, high=0.0)
        else:
            reasons[name] = one.reason
    return costs, reasons
