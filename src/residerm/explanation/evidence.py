"""Evidence: a map of signed values for an image, in logits.

A value says what the target would be if every position were like this one: for complete methods (class activation maps,
HiResCAM and Grad-CAM on the last maps, integrated gradients), the mean over all positions is the target minus a
constant. Positive values are evidence for the class, negative ones against it. Maps are not normalised, so that a map
without evidence stays at zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from residerm.config import Method


@dataclass(frozen=True)
class Evidence:
    """The maps of some images, with the method and stage."""

    maps: np.ndarray  # (n, h, w) float32
    method: Method
    stage: str = ""  # the module whose feature maps were used; empty for methods that use none

    def __len__(self) -> int:
        return len(self.maps)


def resized(maps: np.ndarray, side: int) -> np.ndarray:
    """Resize maps (n, h, w) to (n, side, side), linearly between the centres of positions and constant outside."""
    rows, columns = (_weights(length, side) for length in maps.shape[1:])
    larger: np.ndarray = (rows @ maps @ columns.T).astype(np.float32)
    return larger


def _weights(length: int, side: int) -> np.ndarray:
    """The weight (side, length) of each position in each pixel."""
    centres = np.clip((np.arange(side) + 0.5) * length / side - 0.5, 0, length - 1)
    distances = np.abs(centres[:, None] - np.arange(length))
    weights: np.ndarray = np.maximum(0, 1 - distances)
    return weights
