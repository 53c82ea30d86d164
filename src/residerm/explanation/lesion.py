"""Compare evidence with the lesion mask.

    energy       the fraction of the evidence for the class that is inside the lesion
    pointing     whether the strongest evidence is inside (Zhang et al. 2018, https://arxiv.org/abs/1608.00507)
    share        the fraction of the image that the lesion covers: what an uninformative map would reach in both
    quotient     mean evidence for the class in the background divided by that in the lesion

More evidence inside is not necessarily better: the skin around a lesion can be evidence too, as for actinic keratoses
(Tschandl et al. 2020, https://doi.org/10.1038/s41591-020-0942-0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from residerm import imaging
from residerm.config import PixelSpec
from residerm.errors import ImageError
from residerm.explanation.evidence import resized

_TOLERANCE = 0.02  # between the aspect ratios of an image and its mask


@dataclass(frozen=True)
class Overlap:
    """The scores of some images; NaN if a map has no evidence for the class."""

    share: np.ndarray  # (n,)
    energy: np.ndarray  # (n,)
    pointing: np.ndarray  # (n,)
    background: np.ndarray  # (n,), mean evidence for the class per pixel of the background
    lesion: np.ndarray  # (n,), the same inside the lesion


def overlap(maps: np.ndarray, masks: np.ndarray) -> Overlap:
    """Compare maps (n, h, w) with boolean masks (n, s, s), none of which is empty or full."""
    side = masks.shape[1]
    fine = resized(maps, side)
    evidence = np.maximum(fine, 0)
    inside, total = (evidence * masks).sum((1, 2)), evidence.sum((1, 2))
    areas = masks.sum((1, 2))
    some = total > 0
    strongest = np.take_along_axis(masks.reshape(len(masks), -1), fine.reshape(len(fine), -1).argmax(1)[:, None], 1)
    return Overlap(
        share=areas / side**2,
        energy=_where(some, inside / np.where(some, total, 1)),
        pointing=_where(some, strongest[:, 0].astype(float)),
        background=_where(some, (total - inside) / np.maximum(side**2 - areas, 1)),
        lesion=_where(some, inside / np.maximum(areas, 1)),
    )


def read_mask(mask: bytes, image: bytes, spec: PixelSpec) -> np.ndarray:
    """Read a mask like its image, as bool (size, size); an error if its shape is not that of the image."""
    (width, height), (across, down) = imaging.decode(mask).size, imaging.decode(image).size
    if abs(width * down / (height * across) - 1) > _TOLERANCE:
        raise ImageError(f"a mask of {width}x{height} pixels does not fit an image of {across}x{down}")
    return imaging.read(mask, spec)[..., 0] > 127


def _where(some: np.ndarray, values: np.ndarray) -> np.ndarray:
    chosen: np.ndarray = np.where(some, values, np.nan)
    return chosen
