"""Occlusion (Zeiler and Fergus 2014, https://arxiv.org/abs/1311.2901): what is lost when a window is covered.

A window moves over the image in steps of half its side, and what it covers is blurred. The evidence of a pixel is the
mean loss of the target over the windows that cover it, in logits: not a share of the target, because what one window
hides another may still show. Any runtime will do, and no torch is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from residerm.explanation.infill import blurred
from residerm.explanation.target import values

WINDOWS = 8  # sides of a window in the side of an image
_BATCH = 64

Logits = Callable[[np.ndarray], np.ndarray]  # pixels (n, s, s, 3) uint8 → (n, classes)


def occlusion_maps(logits: Logits, pixels: np.ndarray, target: np.ndarray, window: int | None = None) -> np.ndarray:
    """The mean loss of the target (n, classes) over the windows that cover each pixel."""  # → (n, s, s)
    side = pixels.shape[1]
    window = window or max(2, round(2 * side / WINDOWS))
    whole, infill = values(logits(pixels), target), blurred(pixels)
    maps = [
        _of_image(logits, pixels[number], infill[number], target[number], whole[number], list(_windows(side, window)))
        for number in range(len(pixels))
    ]
    return np.stack(maps).astype(np.float32)


def _of_image(
    logits: Logits, image: np.ndarray, infill: np.ndarray, target: np.ndarray, whole: float,
    windows: list[tuple[slice, slice]],
) -> np.ndarray:  # fmt: skip
    lost, times = np.zeros(image.shape[:2]), np.zeros(image.shape[:2])
    for start in range(0, len(windows), _BATCH):
        some = windows[start : start + _BATCH]
        covered = np.repeat(image[None], len(some), axis=0)
        for one, window in zip(covered, some, strict=True):
            one[window] = infill[window]
        for window, left in zip(some, logits(covered) @ target, strict=True):
            lost[window] += whole - left
            times[window] += 1
    return lost / times


def _windows(side: int, window: int) -> Iterator[tuple[slice, slice]]:
    """Windows in steps of half their side, the last ones cut off at the edge."""
    step = max(1, window // 2)
    starts = range(0, max(1, side - window + step), step)
    return ((slice(y, y + window), slice(x, x + window)) for y in starts for x in starts)
