"""Paint over the lesion, or over everything else, to measure what the scores depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from residerm.data.archives.records import Records
from residerm.errors import UsageError
from residerm.evaluation.masks import read_masks
from residerm.explanation.painting import paintable, without_background, without_lesion
from residerm.inference import ModelDescription
from residerm.progress import Progress

Hidden = Literal["lesion", "background"]


@dataclass(frozen=True)
class Painter:
    """Paints over the hidden pixels, given the masks of the rows (in ascending order)."""

    hidden: Hidden
    rows: np.ndarray
    masks: np.ndarray
    colour: tuple[float, float, float]

    def painted(self, pixels: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The images (n, s, s, 3) of some rows, painted over."""
        masks = self.masks[np.searchsorted(self.rows, rows)]
        if self.hidden == "lesion":
            return np.stack([without_lesion(image, mask) for image, mask in zip(pixels, masks, strict=True)])
        return np.stack(
            [without_background(image, mask, self.colour) for image, mask in zip(pixels, masks, strict=True)]
        )


def painter_for(
    hidden: Hidden, records: Records, rows: np.ndarray, description: ModelDescription, progress: Progress
) -> tuple[Painter, str]:
    """A painter for the rows with usable masks, and a remark about those left out, empty if there are none."""
    read = read_masks(records, rows, description.pixels, progress)
    large = paintable(read.masks, hidden) if len(read.rows) else np.zeros(0, bool)
    if not large.any():
        raise UsageError(
            f"`without={hidden}`: {records.tree.path} has no usable lesion mask "
            f"({read.reasons or 'it has no images'}); give an archive with masks, or omit `without`"
        )
    reasons = [*filter(None, [read.reasons])]
    if not large.all():
        reasons.append(f"{(~large).sum():,} with nothing left to show")
    remark = f"{len(rows) - large.sum():,} images are left out: {', '.join(reasons)}" if reasons else ""
    return Painter(hidden, read.rows[large], read.masks[large], description.mean), remark
