"""Evidence: a signed value for each place of an image, in logits.

A value says what the target would be if every place were like this one: the mean over the places is the target, less a
constant that belongs to no place, wherever a method can keep that account (class activation maps, HiResCAM and Grad-CAM
on the last maps, integrated gradients). Above zero is for the class, below zero against it. Nothing is stretched to a
minimum and a maximum, so that a map without evidence stays at zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from residerm.config import Method


@dataclass(frozen=True)
class Evidence:
    """The maps of some images, and how they were made."""

    maps: np.ndarray  # (n, h, w) float32
    method: Method
    stage: str = ""  # the module whose maps were read; empty where a method reads none

    def __len__(self) -> int:
        return len(self.maps)


def resized(maps: np.ndarray, side: int) -> np.ndarray:
    """Maps (n, h, w) as (n, side, side): linear between the centres of places, constant outside them."""
    rows, columns = (_weights(length, side) for length in maps.shape[1:])
    larger: np.ndarray = (rows @ maps @ columns.T).astype(np.float32)
    return larger


def _weights(length: int, side: int) -> np.ndarray:
    """The share (side, length) that each place has in each pixel."""
    centres = np.clip((np.arange(side) + 0.5) * length / side - 0.5, 0, length - 1)
    distances = np.abs(centres[:, None] - np.arange(length))
    shares: np.ndarray = np.maximum(0, 1 - distances)
    return shares
