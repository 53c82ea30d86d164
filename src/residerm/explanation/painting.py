"""Images without the lesion, or without everything else, by the lesion's mask.

    without_lesion        the lesion and a margin filled from the skin around it, as rough as that skin
    without_background    everything but the lesion in one colour

The fill is a pyramid of means over the skin that is left (Gortler et al. 1996, "push-pull"), so that it is smooth and
continues the colours at the border. It hides colours and structures, not the outline and the size of the lesion.
"""

from __future__ import annotations

import numpy as np

_MARGIN = 0.04  # of the side, around the mask: lesions fade into the skin
_SMALLEST = 0.02  # of the image that must be left


def paintable(masks: np.ndarray, kind: str) -> np.ndarray:
    """For each mask (n, s, s) whether enough of the image is left."""
    covered = np.stack([widened(mask) for mask in masks]) if kind == "lesion" else ~masks
    shares: np.ndarray = 1 - covered.mean((1, 2))
    return shares >= _SMALLEST


def without_lesion(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """An image (s, s, 3) with its lesion filled from the skin around it."""
    lesion = widened(mask)
    skin = ~lesion
    pixels = image.astype(np.float32)
    smooth = _filled(pixels, skin.astype(np.float32))
    rough = (pixels - _filled(_halved_and_back(pixels, skin), skin.astype(np.float32)))[skin]
    drawn = np.random.default_rng(int(mask.sum())).integers(len(rough), size=int(lesion.sum()))
    painted = pixels.copy()
    painted[lesion] = smooth[lesion] + rough[drawn]
    clipped: np.ndarray = np.rint(painted).clip(0, 255).astype(np.uint8)
    return clipped


def without_background(image: np.ndarray, mask: np.ndarray, colour: tuple[float, float, float]) -> np.ndarray:
    """An image (s, s, 3) with everything but its lesion in one colour, of 0 to 1."""
    painted: np.ndarray = np.where(mask[..., None], image, np.rint(255 * np.array(colour)).astype(np.uint8))
    return painted


def widened(mask: np.ndarray) -> np.ndarray:
    """A mask with a margin around it."""
    wide = mask.copy()
    for _ in range(max(1, round(_MARGIN * len(mask)))):
        grown = wide.copy()
        grown[1:] |= wide[:-1]
        grown[:-1] |= wide[1:]
        grown[:, 1:] |= wide[:, :-1]
        grown[:, :-1] |= wide[:, 1:]
        wide = grown
    return wide


def _filled(pixels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Pixels (h, w, 3) where they are known, and elsewhere what the next coarser level of the pyramid has there."""
    if known.min() > 0 or min(known.shape) == 1:
        return pixels
    mean, weight = _halved(pixels, known)
    coarse = _filled(mean, np.minimum(weight, 1))
    above = _doubled(coarse, known.shape)
    share = known[..., None]
    filled: np.ndarray = share * pixels + (1 - share) * above
    return filled


def _halved(pixels: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over two by two pixels, weighed by how far they are known, and how many of them are."""
    height, width = (length + length % 2 for length in known.shape)
    pad = ((0, height - known.shape[0]), (0, width - known.shape[1]))
    weights = np.pad(known, pad).reshape(height // 2, 2, width // 2, 2)
    weighted = np.pad(pixels * known[..., None], (*pad, (0, 0))).reshape(height // 2, 2, width // 2, 2, 3)
    total = weights.sum((1, 3))
    return weighted.sum((1, 3)) / np.maximum(total, 1e-6)[..., None], total


def _doubled(pixels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Twice as many pixels, linear between the centres."""
    for axis, length in enumerate(shape):
        places = np.clip((np.arange(length) + 0.5) / 2 - 0.5, 0, pixels.shape[axis] - 1)
        low = np.floor(places).astype(int)
        high, share = np.minimum(low + 1, pixels.shape[axis] - 1), (places - low).astype(np.float32)
        share = share.reshape([-1 if one == axis else 1 for one in range(3)])
        pixels = np.take(pixels, low, axis) * (1 - share) + np.take(pixels, high, axis) * share
    return pixels


def _halved_and_back(pixels: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """The skin without its finest structure."""
    mean, weight = _halved(pixels, skin.astype(np.float32))
    return _doubled(_filled(mean, np.minimum(weight, 1)), skin.shape)
