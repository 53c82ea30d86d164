"""Occlusion (Zeiler and Fergus 2014, https://arxiv.org/abs/1311.2901): the change when a window is covered.

A window moves over the image in steps of half its size, and the pixels that it covers are blurred. The evidence in a
position, which is as large as a step, is the mean decrease of the target, in logits, over the windows that cover it.
These do not sum to the target, because windows can hide redundant information. Works with any runtime, without torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from residerm.explanation.infill import blurred
from residerm.explanation.target import values

PLACES = 8  # positions along each axis of an image
_BATCH = 64

Logits = Callable[[np.ndarray], np.ndarray]  # pixels (n, s, s, 3) uint8 → (n, classes)


def occlusion_maps(logits: Logits, pixels: np.ndarray, target: np.ndarray, places: int = PLACES) -> np.ndarray:
    """The mean decrease of the target (n, classes) when a position is covered."""  # → (n, places, places)
    step = math.ceil(pixels.shape[1] / places)
    whole, infill = values(logits(pixels), target), blurred(pixels)
    maps = [
        _of_image(logits, pixels[number], infill[number], target[number], whole[number], step)
        for number in range(len(pixels))
    ]
    return np.stack(maps).astype(np.float32)


def _of_image(
    logits: Logits, image: np.ndarray, infill: np.ndarray, target: np.ndarray, whole: float, step: int
) -> np.ndarray:
    windows = list(_windows(image.shape[0], step))
    lost, times = np.zeros(image.shape[:2]), np.zeros(image.shape[:2])
    for start in range(0, len(windows), _BATCH):
        some = windows[start : start + _BATCH]
        covered = np.repeat(image[None], len(some), axis=0)
        for one, window in zip(covered, some, strict=True):
            one[window] = infill[window]
        for window, left in zip(some, logits(covered) @ target, strict=True):
            lost[window] += whole - left
            times[window] += 1
    mean: np.ndarray = (lost / times)[::step, ::step]  # all pixels of a position are covered by the same windows
    return mean


def _windows(side: int, step: int) -> Iterator[tuple[slice, slice]]:
    """Windows of two steps; the last ones are cut off at the edge."""
    starts = range(0, max(1, side - step), step)
    return ((slice(y, y + 2 * step), slice(x, x + 2 * step)) for y in starts for x in starts)
