"""Arguments of the functions that may be something other than a path: a run, a loaded model, or images in memory."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from residerm.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

    from residerm.inference import Predictor
    from residerm.inference.sources import Source
    from residerm.runs import Run


def folder_of(model: str | Path | Run) -> Path:
    """The folder of a run or a bundle."""
    return Path(model) if isinstance(model, str | Path) else model.folder


def predictor_or_folder(model: str | Path | Run | Predictor) -> Path | Predictor:
    """The model, if it is loaded already, else its folder."""
    from residerm.inference import Predictor

    return model if isinstance(model, Predictor) else folder_of(model)


def sources_of(images: object) -> list[str | Path | Source]:
    """One or several paths, bytes, PIL images or arrays, as `inference` takes them."""
    return [_source(image, number) for number, image in enumerate(_several(images), start=1)]


def _several(images: object) -> Iterable[object]:
    import numpy as np

    if isinstance(images, np.ndarray) and images.ndim == 4:
        return list(images)
    return images if isinstance(images, Sequence) and not isinstance(images, str | bytes) else [images]


def _source(image: object, number: int) -> str | Path | Source:
    """One image as `inference` takes it; pixels are encoded as PNG, so that all images pass the same decoder."""
    import numpy as np
    from PIL import Image

    from residerm.inference.sources import Source

    if isinstance(image, str | Path):
        return image
    if isinstance(image, bytes):
        return Source(f"image {number}", partial(bytes, image))
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim not in (2, 3):
            raise UsageError(f"image {number}: an array of images is uint8, (height, width, 3) or (height, width)")
        image = Image.fromarray(image)
    if isinstance(image, Image.Image):
        return Source(f"image {number}", partial(_encoded, image))
    raise UsageError(f"image {number}: give a path, bytes, a PIL image or an array, not {type(image).__name__}")


def _encoded(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
