"""Bytes of an image file → a square of RGB pixels. The only decoder: cache, prediction and service all call `read`.

What holds: the same bytes and the same spec give the same pixels wherever they are read; 16-bit, grey, palette,
CMYK and transparent images come out as 8-bit RGB, turned as their EXIF orientation says; of an animation the first
frame is read; a picture of over 100 megapixels is refused before its memory is taken, unless reduced decoding of a
JPEG brings it under. `VERSION` changes whenever the pixels would.
"""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from residerm.config import PixelSpec
from residerm.errors import ImageError

VERSION = 1
MAXIMUM_PIXELS = 100_000_000
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm"})

Image.MAX_IMAGE_PIXELS = None  # our own limit is checked before any pixel is decoded, and names the way out
_FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_FORMATS = ("JPEG", "MPO", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM")  # and no format that runs another program
_UNREADABLE = (UnidentifiedImageError, OSError, ValueError, SyntaxError, struct.error, EOFError, MemoryError)


def read(data: bytes, spec: PixelSpec) -> np.ndarray:
    """Decode an image file to the pixels that the spec asks for: uint8, RGB."""  # (size, size, 3)
    side = (spec.size, spec.size)
    image = decode(data, (2 * spec.size, 2 * spec.size) if spec.reduced else None)
    resampling = _FILTERS[spec.filter]
    if spec.aspect == "crop":
        image = ImageOps.fit(image, side, resampling)
    elif spec.aspect == "pad":
        image = ImageOps.pad(image, side, resampling)
    else:
        image = image.resize(side, resampling)
    return np.asarray(image)


def decode(data: bytes, at_least: tuple[int, int] | None = None) -> Image.Image:
    """Decode an image file to upright 8-bit RGB; a JPEG at a reduced scale that is still at least as large as asked."""
    if not data:
        raise ImageError("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata; the pixels are what counts here
            return _decode(data, at_least)
    except _UNREADABLE as error:
        raise ImageError(_reason(error)) from error


def _decode(data: bytes, at_least: tuple[int, int] | None) -> Image.Image:
    image: Image.Image = Image.open(io.BytesIO(data), formats=_FORMATS)
    if at_least is not None and not image.info.get("progressive"):  # libjpeg holds all of a progressive one anyway
        image.draft("RGB", at_least)
    width, height = image.size
    if width * height > MAXIMUM_PIXELS:
        raise ImageError(
            f"{width}x{height} pixels are more than the {MAXIMUM_PIXELS // 10**6} megapixels that are read; "
            "scale the image down, or leave it out"
        )
    image.load()
    return _to_rgb(ImageOps.exif_transpose(image))


def _to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB of any mode; transparent pixels on white, as a viewer shows them."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        return _from_wide(np.asarray(image, dtype=np.float64))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _from_wide(values: np.ndarray) -> Image.Image:
    """Whole numbers beyond 8 bits are 16-bit samples; fractions up to 1 are shares of white."""
    highest = float(values.max(initial=0))
    scale = 255.0 if highest <= 1 else 1.0 if highest <= 255 else 255 / 65535
    return Image.fromarray((values * scale).clip(0, 255).astype(np.uint8)).convert("RGB")


def _reason(error: BaseException) -> str:
    """Pillow's reason without its object addresses."""
    if isinstance(error, UnidentifiedImageError):
        return "this is not an image, or its header is damaged"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    text = str(error) or type(error).__name__
    return "the image is cut short" if "truncated" in text.lower() else f"the image is damaged ({text})"
