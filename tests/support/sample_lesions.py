"""Detailed images of lesions for duplicate detection, and archives of them in HAM10000's layout.

write_archive(folder, [Line("a", encode(make_image(0)))])
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import archives
import numpy as np
from PIL import Image

SIZE = (120, 90)


class Line(NamedTuple):
    """One row of an archive; without a `lesion` it has its own, and an image of None is missing."""

    image_id: str
    image: bytes | None
    label: str = "nv"
    lesion: str = ""
    mask: bytes | None = None
    suffix: str = ".jpg"


def make_image(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """An irregular dark blob on skin with pigment network and pores, different for every seed."""
    random = np.random.default_rng(seed)
    across, down = np.meshgrid(*(np.linspace(-1, 1, side) for side in size))
    x, y = across - random.uniform(-0.3, 0.3), down - random.uniform(-0.3, 0.3)
    radius = np.hypot(x * random.uniform(0.9, 1.6), y * random.uniform(0.9, 1.6)) + 0.3 * _noise(random, 4, size)
    inside = 1 / (1 + np.exp((radius - random.uniform(0.5, 0.7)) * 15))
    darkness = inside * (0.5 + 0.15 * _noise(random, 8, size) + 0.1 * _noise(random, 24, size))
    pores = 0.03 * _noise(random, 30, size) + 0.04 * _noise(random, 10, size)
    skin, pigment = random.uniform((190, 140, 120), (245, 190, 175)), random.uniform((0.6, 0.9, 0.9), (1, 1.3, 1.3))
    colours = skin * (1 - darkness[..., None] * pigment + pores[..., None])
    return Image.fromarray(colours.clip(0, 255).astype(np.uint8))


def encode(image: Image.Image, form: str = "JPEG", **options: int) -> bytes:
    """The encoded bytes of an image."""
    stream = io.BytesIO()
    image.save(stream, form, **({"quality": 92} if form == "JPEG" else {}) | options)
    return stream.getvalue()


def decode(data: bytes) -> Image.Image:
    """The image encoded in `data`."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def make_mask(size: tuple[int, int] = SIZE, *, empty: bool = False) -> bytes:
    """A mask with a rectangle in the middle."""
    drawn = Image.new("1", size)
    if not empty:
        drawn.paste(1, (size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2))
    return encode(drawn, "PNG")


def write_archive(folder: Path, lines: Sequence[Line]) -> Path:
    """Write an unpacked HAM10000 of these images."""
    rows = [
        {"lesion_id": line.lesion or f"lesion of {line.image_id}", "image_id": line.image_id, "dx": line.label}
        for line in lines
    ]
    files = {"HAM10000_metadata.csv": archives.make_table(rows)}
    files |= {f"images/{line.image_id}{line.suffix}": line.image for line in lines if line.image is not None}
    files |= {f"masks/{line.image_id}_segmentation.png": line.mask for line in lines if line.mask is not None}
    return archives.write(folder, files, {}, packed=False)


def make_clean_images(count: int = 14, first: int = 0) -> list[Line]:
    """Valid images of different lesions in two classes, all with masks."""
    return [
        Line(f"clean_{seed:03d}", encode(make_image(seed)), ("nv", "mel")[seed % 2], mask=make_mask())
        for seed in range(first, first + count)
    ]


def _noise(random: np.random.Generator, waves: int, size: tuple[int, int]) -> np.ndarray:
    """Smooth noise with about `waves` waves across."""
    grid = Image.fromarray(random.normal(size=(max(waves * size[1] // size[0], 2), waves)).astype(np.float32))
    return np.asarray(grid.resize(size, Image.Resampling.BICUBIC))
