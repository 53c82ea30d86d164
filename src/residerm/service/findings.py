"""Batches of pixels → what the model and its trust say of each image: the work behind the queue.

Knows nothing of HTTP. One batch goes through the model once, whatever its images were asked for; maps are computed
where at least one image of the batch is to be explained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from residerm.inference import Predictor


@dataclass(frozen=True, eq=False)
class Question:
    """The pixels of an image, and whether it is to be explained."""

    pixels: np.ndarray  # (s, s, 3) uint8
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


def find(predictor: Predictor, questions: Sequence[Question]) -> list[Finding]:
    """What the model says of a batch of images."""
    pixels = np.stack([question.pixels for question in questions])
    outputs = predictor.outputs(pixels, maps=any(question.explain for question in questions))
    maps = [outputs.maps[row] if outputs.maps is not None and q.explain else None for row, q in enumerate(questions)]
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
