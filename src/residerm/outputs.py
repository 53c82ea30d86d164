"""The outputs of a model in any runtime: logits, features and maps; and the averaging over views of an image.

    logits    (n, classes)      the output of the classifier
    features  (n, d)            the input of the classifier
    maps      (n, h, w, d)      the maps whose mean is the features; None if there are none

Probabilities, calibration, prediction sets, outlier scores and class activation maps are computed from these in NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Views = Literal[1, 8]


@dataclass(frozen=True)
class Outputs:
    """Logits, features and maps of some images."""

    logits: np.ndarray  # (n, classes) float32
    features: np.ndarray | None = None  # (n, d) float32
    maps: np.ndarray | None = None  # (n, h, w, d) float32

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def probabilities(self) -> np.ndarray:
        """The softmax of the logits, before calibration."""
        return softmax(self.logits)


def softmax(logits: np.ndarray) -> np.ndarray:
    """The softmax of logits along the last axis, without overflow."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    raised = np.exp(shifted)
    probabilities: np.ndarray = raised / raised.sum(axis=-1, keepdims=True)
    return probabilities


def log_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Logits whose softmax gives these probabilities; a probability of 0 becomes a finite, very negative logit."""
    smallest = np.finfo(np.float32).tiny
    logits: np.ndarray = np.log(np.maximum(probabilities, smallest))
    return logits


def concatenated(parts: Sequence[Outputs]) -> Outputs:
    """Concatenate the outputs of batches."""
    if len(parts) == 1:
        return parts[0]
    features = [part.features for part in parts if part.features is not None]
    maps = [part.maps for part in parts if part.maps is not None]
    return Outputs(
        np.concatenate([part.logits for part in parts]),
        np.concatenate(features) if len(features) == len(parts) else None,
        np.concatenate(maps) if len(maps) == len(parts) else None,
    )


def view(pixels: np.ndarray, number: int) -> np.ndarray:
    """One of the eight views of square images (n, s, s, c): 0 to 3 are rotations by 90°, 4 to 7 also mirrored."""
    mirrored = pixels[:, :, ::-1] if number >= 4 else pixels
    return np.rot90(mirrored, number % 4, axes=(1, 2))


def unview(maps: np.ndarray, number: int) -> np.ndarray:
    """Transform the maps (n, h, w, d) of a view back to the original orientation."""
    turned = np.rot90(maps, -(number % 4), axes=(1, 2))
    return turned[:, :, ::-1] if number >= 4 else turned


def averaged(views: Sequence[Outputs]) -> Outputs:
    """Average the outputs of several views of the same images: their probabilities, features and maps.

    The logits are those of the averaged probabilities. Views must come in the order of their numbers.
    """
    if len(views) == 1:
        return views[0]
    logits = log_probabilities(np.mean([one.probabilities for one in views], axis=0))
    features = [one.features for one in views if one.features is not None]
    maps = [unview(one.maps, number) for number, one in enumerate(views) if one.maps is not None]
    return Outputs(
        logits.astype(np.float32),
        np.mean(features, axis=0) if features else None,
        np.mean(maps, axis=0) if maps else None,
    )
