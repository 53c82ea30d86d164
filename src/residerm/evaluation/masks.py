"""Read the lesion masks of an archive, except those that are missing, unreadable, empty or of another shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from residerm.config import PixelSpec
from residerm.data.archives.records import Records
from residerm.errors import ImageError
from residerm.explanation.lesion import read_mask
from residerm.progress import SILENT, Progress

MISSING, UNFIT, TRIVIAL = "no mask", "a mask that is unreadable or of another shape", "an empty or full mask"


@dataclass(frozen=True)
class Masks:
    """The masks (n, s, s) of the rows that have a valid one, and why others were left out."""

    rows: np.ndarray
    masks: np.ndarray
    left_out: Mapping[str, int]

    @property
    def reasons(self) -> str:
        """How many were left out, and why; empty if none were."""
        return ", ".join(f"{count:,} with {reason}" for reason, count in self.left_out.items())


def read_masks(records: Records, rows: np.ndarray, spec: PixelSpec, progress: Progress = SILENT) -> Masks:
    """Read the masks of some rows, in the geometry in which their images are read."""
    found: dict[int, np.ndarray] = {}
    left_out: Counter[str] = Counter()
    for done, row in enumerate(rows.tolist(), 1):
        mask = _read(records, row, spec)
        if isinstance(mask, str):
            left_out[mask] += 1
        else:
            found[row] = mask
        progress.advance("reading masks", done, len(rows))
    masks = np.array(list(found.values()), bool).reshape(-1, spec.size, spec.size)
    return Masks(np.array(list(found), dtype=int), masks, dict(left_out))


def _read(records: Records, row: int, spec: PixelSpec) -> np.ndarray | str:
    try:
        data = records.read_mask(row)
        if data is None:
            return MISSING
        mask = read_mask(data, records.read(row), spec)
    except ImageError:
        return UNFIT
    return TRIVIAL if mask.all() or not mask.any() else mask
