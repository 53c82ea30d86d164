"""Lesions with the detail of photographs, and a HAM10000 of such pictures: what copies can be told by.

lesions.write(folder, [lesions.Line("a", lesions.encoded(lesions.picture(0)))])
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import making
import numpy as np
from PIL import Image

SIZE = (120, 90)


class Line(NamedTuple):
    """One image of an archive; an empty lesion is one of its own, and an image of None is missing."""

    image_id: str
    image: bytes | None
    label: str = "nv"
    lesion: str = ""
    mask: bytes | None = None
    suffix: str = ".jpg"


def picture(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """An irregular dark blob on skin, with network and pores; another one for every seed."""
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


def encoded(image: Image.Image, form: str = "JPEG", **options: int) -> bytes:
    """The bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, form, **({"quality": 92} if form == "JPEG" else {}) | options)
    return stream.getvalue()


def decoded(data: bytes) -> Image.Image:
    """The picture of a file."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def mask(size: tuple[int, int] = SIZE, *, empty: bool = False) -> bytes:
    """A mask of a rectangle in the middle."""
    drawn = Image.new("1", size)
    if not empty:
        drawn.paste(1, (size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2))
    return encoded(drawn, "PNG")


def write(folder: Path, lines: Sequence[Line]) -> Path:
    """A HAM10000 of these images, unpacked."""
    rows = [
        {"lesion_id": line.lesion or f"lesion of {line.image_id}", "image_id": line.image_id, "dx": line.label}
        for line in lines
    ]
    files = {"HAM10000_metadata.csv": making.table(rows)}
    files |= {f"images/{line.image_id}{line.suffix}": line.image for line in lines if line.image is not None}
    files |= {f"masks/{line.image_id}_segmentation.png": line.mask for line in lines if line.mask is not None}
    return making.write(folder, files, {}, packed=False)


def clean(count: int = 14, first: int = 0) -> list[Line]:
    """Images that nothing is wrong with: as many lesions, of two classes, all with masks."""
    return [
        Line(f"clean_{seed:03d}", encoded(picture(seed)), ("nv", "mel")[seed % 2], mask=mask())
        for seed in range(first, first + count)
    ]


def _noise(random: np.random.Generator, waves: int, size: tuple[int, int]) -> np.ndarray:
    """Smooth noise with about so many waves across."""
    grid = Image.fromarray(random.normal(size=(max(waves * size[1] // size[0], 2), waves)).astype(np.float32))
    return np.asarray(grid.resize(size, Image.Resampling.BICUBIC))
