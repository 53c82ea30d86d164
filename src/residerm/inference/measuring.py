"""How near a graph comes to the network in torch, on real images from the bytes of their files on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from residerm.config import ExportPrecision
from residerm.inference.parity import BATCHES, SCORES, TOLERANCE, Difference, Engine, Measured
from residerm.inference.predictor import Predictor
from residerm.outputs import Outputs, concatenated
from residerm.progress import SILENT, Progress
from residerm.scores import compare

_IMAGES = 2 * max(BATCHES)  # that are compared in float32
_CHUNK = 64
_REPEATS = 7
_PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}


@dataclass(frozen=True)
class Sample:
    """Real images with what is known of them; they are read when they are needed."""

    source: str
    read: Callable[[int], bytes]
    labels: np.ndarray  # (n,) index into the classes
    groups: np.ndarray  # (n,) lesion or patient

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, predictor: Predictor, numbers: range | np.ndarray) -> np.ndarray:
        """Some of the images as a model takes them."""
        return np.stack([predictor.pixels(self.read(int(number))) for number in numbers])


def compared_images(sample: Sample, precision: ExportPrecision) -> int:
    """How many images of a sample are compared."""
    return min(len(sample), _IMAGES) if precision == "float32" else len(sample)


def measure(
    engine: Engine,
    graph: Predictor,
    reference: Predictor,
    sample: Sample,
    precision: ExportPrecision,
    progress: Progress = SILENT,
) -> Measured:
    """What a runtime gives of a graph, against the network in torch."""
    numbers = np.linspace(0, len(sample) - 1, compared_images(sample, precision)).astype(int)
    found, expected = _outputs(graph, reference, sample, numbers, progress)
    largest = _largest(found, expected)
    if precision == "float32":  # in low precision a batch rounds as its images do
        pixels = sample.pixels(reference, numbers)
        for batch in BATCHES:
            again = graph.outputs(pixels, maps=True, batch_size=batch)
            largest = [_more(one, other) for one, other in zip(largest, _largest(again, expected), strict=True)]
    low = precision != "float32"
    costs, reasons = _costs(found, expected, sample, reference.description.classes) if low else (None, {})
    return Measured(
        runtime=engine,
        version=version(_PACKAGES[engine]),
        logits=largest[0] or 0.0,
        features=largest[1],
        maps=largest[2],
        other_class=_other_class(found, expected, TOLERANCE if precision == "float32" else 0.0),
        milliseconds=_milliseconds(graph, sample.pixels(reference, numbers[:1])),
        scores=costs,
        undefined=reasons,
    )


def _outputs(
    graph: Predictor, reference: Predictor, sample: Sample, numbers: np.ndarray, progress: Progress
) -> tuple[Outputs, Outputs]:
    """What both give, in chunks, so that no more pixels than those of a chunk are held."""
    found, expected = [], []
    for start, chunk in _chunks(numbers):
        pixels = sample.pixels(graph, chunk)
        found.append(graph.outputs(pixels, maps=True))
        expected.append(reference.outputs(sample.pixels(reference, chunk), maps=True))
        progress.advance("comparing", start + len(chunk), len(numbers))
    return concatenated(found), concatenated(expected)


def _chunks(numbers: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    return ((start, numbers[start : start + _CHUNK]) for start in range(0, len(numbers), _CHUNK))


def _largest(found: Outputs, expected: Outputs) -> list[float | None]:
    """The largest difference of the logits, the features and the maps."""
    pairs = ((found.logits, expected.logits), (found.features, expected.features), (found.maps, expected.maps))
    return [
        None if one is None or other is None else float(np.abs(one.astype(np.float64) - other).max())
        for one, other in pairs
    ]


def _more(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else max(one, other)


def _other_class(found: Outputs, expected: Outputs, tie: float) -> int:
    """Images of which another class comes first; two that lie within the tolerance of each other are a tie."""
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
    found: Outputs, expected: Outputs, sample: Sample, classes: tuple[str, ...]
) -> tuple[dict[str, Difference], dict[str, str]]:
    """The paired differences of the scores, with intervals over lesions; and why there is none."""
    compared = compare(sample.labels, found.probabilities, expected.probabilities, classes, sample.groups)
    same_classes = bool((found.logits.argmax(1) == expected.logits.argmax(1)).all())
    costs, reasons = {}, {}
    for name in SCORES:
        one = compared.differences[name]
        if one.value is not None and one.interval:
            costs[name] = Difference(value=one.value, low=one.interval[0], high=one.interval[1])
        elif name == "balanced_accuracy" and same_classes:  # every resample gives the same: nothing to resample
            costs[name] = Difference(value=0.0, low=0.0, high=0.0)
        else:
            reasons[name] = one.reason
    return costs, reasons
