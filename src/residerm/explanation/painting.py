"""Paint over the lesion in an image, or over everything else, given its mask.

    without_lesion        the lesion and a margin are filled from the surrounding skin, with its texture
    without_background    everything but the lesion is filled with one colour

The fill is a pyramid of means over the remaining skin (Gortler et al. 1996, "push-pull"), so that it is smooth and
continues the colours at the border. It hides colours and structures, but not the outline and size of the lesion.
"""

from __future__ import annotations

import numpy as np

_MARGIN = 0.04  # of the side, around the mask: lesions fade into the skin
_SMALLEST = 0.02  # smallest fraction of the image that must remain


def paintable(masks: np.ndarray, kind: str) -> np.ndarray:
    """Whether enough of the image remains, for each mask (n, s, s)."""
    covered = np.stack([widened(mask) for mask in masks]) if kind == "lesion" else ~masks
    left: np.ndarray = 1 - covered.mean((1, 2))
    return left >= _SMALLEST


def without_lesion(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill the lesion of an image (s, s, 3) from the surrounding skin."""
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
    """Fill everything but the lesion of an image (s, s, 3) with one colour, in 0 to 1."""
    painted: np.ndarray = np.where(mask[..., None], image, np.rint(255 * np.array(colour)).astype(np.uint8))
    return painted


def widened(mask: np.ndarray) -> np.ndarray:
    """Widen a mask by a margin."""
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
    """Fill unknown pixels (h, w, 3) from the next coarser level of the pyramid."""
    if known.min() > 0 or min(known.shape) == 1:
        return pixels
    mean, weight = _halved(pixels, known)
    coarse = _filled(mean, np.minimum(weight, 1))
    above = _doubled(coarse, known.shape)
    share = known[..., None]
    filled: np.ndarray = share * pixels + (1 - share) * above
    return filled


def _halved(pixels: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means over blocks of 2x2 pixels, and the sums of the weights."""
    height, width = (length + length % 2 for length in known.shape)
    pad = ((0, height - known.shape[0]), (0, width - known.shape[1]))
    weights = np.pad(known, pad).reshape(height // 2, 2, width // 2, 2)
    weighted = np.pad(pixels * known[..., None], (*pad, (0, 0))).reshape(height // 2, 2, width // 2, 2, 3)
    total = weights.sum((1, 3))
    return weighted.sum((1, 3)) / np.maximum(total, 1e-6)[..., None], total


def _doubled(pixels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Upsample by 2, linearly between the centres."""
    for axis, length in enumerate(shape):
        places = np.clip((np.arange(length) + 0.5) / 2 - 0.5, 0, pixels.shape[axis] - 1)
        low = np.floor(places).astype(int)
        high, share = np.minimum(low + 1, pixels.shape[axis] - 1), (places - low).astype(np.float32)
        share = share.reshape([-1 if one == axis else 1 for one in range(3)])
        pixels = np.take(pixels, low, axis) * (1 - share) + np.take(pixels, high, axis) * share
    return pixels


def _halved_and_back(pixels: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """The skin without its finest texture."""
    mean, weight = _halved(pixels, skin.astype(np.float32))
    return _doubled(_filled(mean, np.minimum(weight, 1)), skin.shape)
