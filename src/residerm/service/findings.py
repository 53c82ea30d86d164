"""Run batches of images through the model and its trust, independently of HTTP.

Each batch goes through the model once, with maps if at least one of its images is to be explained. An image that cannot
be read results in an error for this image only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from residerm import imaging
from residerm.errors import ImageError
from residerm.inference import Predictor


@dataclass(frozen=True, eq=False)
class Question:
    """An image, as file content or pixels, and whether it is to be explained."""

    image: bytes | np.ndarray  # pixels: (s, s, 3) uint8
    explain: bool = False


@dataclass(frozen=True, eq=False)
class ImageResult:
    """The result for one image; without trust, only probabilities."""

    probabilities: np.ndarray  # (classes,)
    prediction_set: np.ndarray | None  # (classes,) of bool
    abstained: bool
    outlier: bool | None
    outlier_score: float | None
    pixels: np.ndarray  # (s, s, 3) uint8, as the model saw them
    maps: np.ndarray | None = None  # (h, w, d)


class Finder:
    """A predictor that decodes the images of a batch, and can be called by several threads."""

    def __init__(self, predictor: Predictor, largest: int, observe: Callable[[float], None] = lambda _: None) -> None:
        """`largest` is the most pixels an image may have; `observe` is called with the seconds of each decode."""
        self._predictor, self._largest, self._observe = predictor, largest, observe

    def __call__(self, questions: Sequence[Question], alone: bool = True) -> list[ImageResult | ImageError]:
        """The finding or the error for each image of a batch; `alone` as in `Predictor.outputs`."""
        pixels = [self._pixels(question.image) for question in questions]
        readable = [
            (one, question.explain)
            for one, question in zip(pixels, questions, strict=True)
            if not isinstance(one, ImageError)
        ]
        findings = iter(judge_images(self._predictor, readable, alone) if readable else ())
        return [one if isinstance(one, ImageError) else next(findings) for one in pixels]

    def decode(self, data: bytes) -> np.ndarray:
        """Decode an image file to the pixels that the model takes."""
        started = time.monotonic()
        pixels = imaging.read(data, self._predictor.description.pixels, self._largest)
        self._observe(time.monotonic() - started)
        return pixels

    def _pixels(self, image: bytes | np.ndarray) -> np.ndarray | ImageError:
        try:
            return self.decode(image) if isinstance(image, bytes) else image
        except ImageError as error:
            return error


def judge_images(
    predictor: Predictor, images: Sequence[tuple[np.ndarray, bool]], alone: bool = True
) -> list[ImageResult]:
    """The findings for a batch of pixels, each with a flag whether it is to be explained."""
    pixels = np.stack([one for one, _ in images])
    explained = [explain for _, explain in images]
    outputs = predictor.outputs(pixels, maps=any(explained), alone=alone)
    maps = [outputs.maps[row] if outputs.maps is not None and asked else None for row, asked in enumerate(explained)]
    if predictor.trust is None:
        probabilities = outputs.probabilities
        return [
            ImageResult(probabilities[row], None, False, None, None, pixels[row], maps[row])
            for row in range(len(pixels))
        ]
    judged = predictor.trust.judge(outputs)
    return [
        ImageResult(
            judged.probabilities[row],
            judged.sets[row],
            bool(judged.abstain[row]),
            bool(judged.outlier[row]),
            float(judged.outlier_score[row]),
            pixels[row],
            maps[row],
        )
        for row in range(len(pixels))
    ]
