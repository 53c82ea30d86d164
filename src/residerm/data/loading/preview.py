"""A figure of the inputs of training: original images above, the same images augmented below, at the training size.

residerm data preview PATH --out preview.png
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from residerm import figures, imaging
from residerm.config import AugmentOptions, PixelSpec
from residerm.data.archives.records import Records
from residerm.data.loading.augment import augment
from residerm.errors import ArchiveError, ImageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_EPOCHS = 4  # epochs in which the same images are shown


def draw_preview(
    records: Records, spec: PixelSpec, options: AugmentOptions, *, images: int = 8, seed: int = 0
) -> Figure:
    """Draw some images, alternating between classes, as they are and as augmented in the first epochs of training."""
    chosen, pixels = _readable(records, spec, images, seed)
    batch = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
    rows = [("as read", pixels)]
    for epoch in range(_EPOCHS):
        seen = augment(batch, options, seed=seed, epoch=epoch, step=0).permute(0, 2, 3, 1)
        rows.append((f"epoch {epoch + 1}", list(seen.round().clamp(0, 255).to(torch.uint8).numpy())))
    columns = [records.classes[records.labels[row]] for row in chosen]
    title = f"{records.layout.title} at {spec.size} px: as read, and augmented for training"
    return figures.image_rows(rows, columns, title)


def _readable(records: Records, spec: PixelSpec, images: int, seed: int) -> tuple[list[int], list[np.ndarray]]:
    """Rows and pixels of readable images, alternating between classes."""
    chosen: list[int] = []
    pixels: list[np.ndarray] = []
    for row in _in_turn(records, seed):
        try:
            pixels.append(imaging.read(records.read(row), spec))
        except ImageError:
            continue
        chosen.append(row)
        if len(chosen) == images:
            break
    if not chosen:
        raise ArchiveError(f"none of the images in {records.tree.path} can be read: see `residerm data check`")
    order = np.argsort(records.labels[chosen], kind="stable")
    return [chosen[place] for place in order], [pixels[place] for place in order]


def _in_turn(records: Records, seed: int) -> list[int]:
    """All rows, shuffled and alternating between classes."""
    shuffled = np.random.default_rng(seed).permutation(len(records))
    labels = records.labels[shuffled]
    turn = np.zeros(len(records), dtype=np.int64)
    for label in np.unique(labels):
        turn[labels == label] = np.arange((labels == label).sum())
    return [int(row) for row in shuffled[np.argsort(turn, kind="stable")]]
