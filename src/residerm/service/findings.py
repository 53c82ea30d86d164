"""Batches of images → what the model and its trust say of each: the work behind the queue.

Knows nothing of HTTP. One batch goes through the model once, whatever its images were asked for; maps are computed
where at least one image of the batch is to be explained. An image that cannot be read is an error of its own, and the
others of its batch are answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from residerm import imaging
from residerm.errors import ImageError
from residerm.inference import Predictor
from residerm.parallel import cores


@dataclass(frozen=True, eq=False)
class Question:
    """An image, as a file or as pixels, and whether it is to be explained."""

    image: bytes | np.ndarray  # pixels: (s, s, 3) uint8
    explain: bool = False


@dataclass(frozen=True, eq=False)
class Finding:
    """What is said of one image. Without trust there are probabilities alone."""

    probabilities: np.ndarray  # (classes,)
    prediction_set: np.ndarray | None  # (classes,) of bool
    abstained: bool
    outlier: bool | None
    outlier_score: float | None
    pixels: np.ndarray  # (s, s, 3) uint8, as the model saw them
    maps: np.ndarray | None = None  # (h, w, d)


class Finder:
    """A predictor that decodes what it is asked, in as many threads as there are cores."""

    def __init__(self, predictor: Predictor, largest: int, observe: Callable[[float], None] = lambda _: None) -> None:
        """Take the predictor and the most pixels of an image; `observe` is called with the seconds of each decode."""
        self._predictor, self._largest, self._observe = predictor, largest, observe
        self._threads = ThreadPoolExecutor(cores(), thread_name_prefix="decode")

    def __call__(self, questions: Sequence[Question]) -> list[Finding | ImageError]:
        """What is found of each image of a batch."""
        images = [question.image for question in questions]
        pixels = list(map(self._pixels, images) if len(images) == 1 else self._threads.map(self._pixels, images))
        readable = [
            (one, question.explain)
            for one, question in zip(pixels, questions, strict=True)
            if not isinstance(one, ImageError)
        ]
        findings = iter(find(self._predictor, readable) if readable else ())
        return [one if isinstance(one, ImageError) else next(findings) for one in pixels]

    def decode(self, data: bytes) -> np.ndarray:
        """The pixels of an image file, as the model takes them."""
        started = time.monotonic()
        pixels = imaging.read(data, self._predictor.description.pixels, self._largest)
        self._observe(time.monotonic() - started)
        return pixels

    def end(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)

    def _pixels(self, image: bytes | np.ndarray) -> np.ndarray | ImageError:
        try:
            return self.decode(image) if isinstance(image, bytes) else image
        except ImageError as error:
            return error


def find(predictor: Predictor, images: Sequence[tuple[np.ndarray, bool]]) -> list[Finding]:
    """What is found of the pixels of a batch, each with whether it is to be explained."""
    pixels = np.stack([one for one, _ in images])
    explained = [explain for _, explain in images]
    outputs = predictor.outputs(pixels, maps=any(explained))
    maps = [outputs.maps[row] if outputs.maps is not None and asked else None for row, asked in enumerate(explained)]
    if predictor.trust is None:
        shares = outputs.probabilities
        return [Finding(shares[row], None, False, None, None, pixels[row], maps[row]) for row in range(len(pixels))]
    judged = predictor.trust.judge(outputs)
    return [
        Finding(
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
