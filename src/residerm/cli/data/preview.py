"""`residerm data preview`: draw images as training sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from residerm.cli.console import remarks
from residerm.cli.options import Archive, flags
from residerm.config import ArchiveOptions, AugmentOptions, PixelSpec


def preview_(
    path: Archive,
    *,
    archive: Annotated[ArchiveOptions, Parameter(name="*")] = ArchiveOptions(),
    pixels: Annotated[PixelSpec, flags(some_are_on=True)] = PixelSpec(),
    augmentation: Annotated[AugmentOptions, flags(some_are_on=True)] = AugmentOptions(),
    out: Path = Path("preview.png"),
    images: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=64))] = 8,
    seed: Annotated[int, Parameter(validator=validators.Number(gte=0, lt=2**32))] = 0,
) -> None:
    """Draw images as training sees them: originals above, augmented below.

    Example: residerm data preview HAM10000 --size 128 --out preview.png

    Parameters
    ----------
    out
        The figure to write; an existing file is not overwritten.
    images
        Number of images.
    seed
        Seed of the selection and of the augmentation.
    """
    from residerm.data.archives import open_for
    from residerm.data.loading.preview import draw_preview
    from residerm.figures import save

    records = open_for(path, archive)
    save(draw_preview(records, pixels, augmentation, images=images, seed=seed), out)
    remarks.print(f"written: {out}")
