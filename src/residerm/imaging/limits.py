"""Estimate the memory of decoding from the header, and refuse images that need too much before allocating any.

A file of a few kilobytes can claim gigabytes of pixels. The bytes per pixel needed for decoding depend on the format
and on Pillow's mode; `tests/imaging/test_limits.py` compares these estimates with the measured peaks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from PIL import Image

from residerm.errors import ImageError
from residerm.imaging.memory import MOST

MAXIMUM_PIXELS = 100_000_000
LONGEST_SIDE = 65_535  # the limit of JPEG; the coefficients of a resampling filter grow with the side
MOST_SCANS = 100  # of a JPEG; ten are usual, and each passes over all pixels
MOST_SLOW_PIXELS = 1_000_000  # if Pillow decodes in Python, value by value

_BYTES: Mapping[str, int] = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}  # others: 4
_ROW = 16  # bytes of overhead for each row of an image in memory
_WEBP = 18  # bytes per pixel: two canvases of the decoder, Pillow's copy, the image, and intermediate results
_BAND = 8 * 2**20  # bytes; images that are not RGB are converted in bands
_ORIENTATION = 0x0112
_TIFF_TAGS = {"width": 256, "height": 257, "bits": 258, "samples": 277, "rows": 278, "tile_width": 322, "tile": 323}
_READ_TIFF = frozenset(
    {"raw", "tiff_ccitt", "group3", "group4", "tiff_lzw", "jpeg", "tiff_adobe_deflate", "tiff_deflate", "packbits"}
)


def require_size(width: int, height: int, most_pixels: int | None = None) -> None:
    """Refuse a size that no photograph has."""
    most = most_pixels or MAXIMUM_PIXELS
    if width * height > most:
        raise ImageError(
            f"{width}x{height} pixels are more than the {most / 1e6:g} megapixels allowed; "
            "scale the image down, or leave it out"
        )
    if max(width, height) > LONGEST_SIDE:
        raise ImageError(
            f"{width}x{height} pixels: a side is longer than the {LONGEST_SIDE:,} pixels allowed; "
            "scale the image down, or leave it out"
        )
    if min(width, height) < 1:
        raise ImageError("the image is damaged: it has no pixels")


def require_memory(memory: int, width: int, height: int) -> None:
    """Refuse to decode an image that would need more than the budget of all threads together."""
    if memory > MOST:
        raise ImageError(
            f"decoding its {width}x{height} pixels would take {memory / 1e6:,.0f} MB of memory, more than the "
            f"{MOST // 10**6} MB allowed; scale the image down, or leave it out"
        )


def of_webp(size: tuple[int, int], data: bytes) -> int:
    """Bytes needed to decode a WebP, including its data, which the decoder copies."""
    return _WEBP * size[0] * size[1] + len(data) + _BAND


def of_image(image: Image.Image, full_size: tuple[int, int], scans: int) -> int:
    """Bytes needed to decode an open image, rotate it upright and convert it to RGB."""
    own, rgb = _plane(image.size, image.mode), _plane(image.size, "RGB")
    steps = [own + _decoder(image, full_size, scans)]
    if image.mode != "RGB" or image.has_transparency_data:
        steps.append(own + rgb + _BAND)
    if _may_be_turned(image):
        steps.append(2 * own)
    return max(steps)


def of_resizing(size: tuple[int, int], side: int) -> int:
    """Bytes of an RGB image and of the intermediate result of resizing: every row, already as narrow as the square."""
    return _plane(size, "RGB") + _plane((side, size[1]), "RGB")


def require_usual(image: Image.Image, scans: int) -> None:
    """Refuse images that are slow to decode or whose memory cannot be predicted."""
    if scans > MOST_SCANS:
        raise ImageError(f"it has {scans} scans, more than the {MOST_SCANS} allowed; save it again")
    slow = any(tile.codec_name in Image.DECODERS for tile in getattr(image, "tile", ()))
    if slow and math.prod(image.size) > MOST_SLOW_PIXELS:
        raise ImageError(
            f"its {image.width}x{image.height} pixels are stored in a form that is slow to read; save it as PNG"
        )
    if image.format == "TIFF" and image.info.get("compression", "raw") not in _READ_TIFF:
        raise ImageError(f"it is compressed by {image.info['compression']}, which is not supported; save it as PNG")


def _decoder(image: Image.Image, full_size: tuple[int, int], scans: int) -> int:
    """Bytes used by a decoder in addition to the image it fills."""
    if image.format in ("JPEG", "MPO") and scans > 1:
        return _coefficients(image, full_size)
    if any(tile.codec_name == "libtiff" for tile in getattr(image, "tile", ())):
        return _strip(image)
    if any(tile.codec_name in Image.DECODERS for tile in getattr(image, "tile", ())):
        return 8 * math.prod(image.size)
    return _plane(image.size, image.mode) if image.format == "GIF" else 0


def _coefficients(image: Image.Image, size: tuple[int, int]) -> int:
    """Bytes of the coefficients, which libjpeg stores for several scans, at full size whatever the scale."""
    layers = [(across, down) for _, across, down, _ in getattr(image, "layer", ())]
    most = max((across for across, _ in layers), default=1) * max((down for _, down in layers), default=1)
    share = sum(across * down for across, down in layers) / most
    coefficients: int = math.ceil(2 * share * (size[0] + 32) * (size[1] + 32))
    return coefficients


def _strip(image: Image.Image) -> int:
    """Bytes of the largest piece of a TIFF that is decoded at once: a strip or a tile."""
    tags = getattr(image, "tag_v2", {})

    def tag(name: str, otherwise: int) -> int:
        value = tags.get(_TIFF_TAGS[name], otherwise)
        return int(max(value) if isinstance(value, tuple) else value)

    bits: int = max(8, tag("bits", 1)) * max(1, tag("samples", 1))
    rows: int = min(tag("rows", image.height), image.height)
    pixels: int = max(image.width * rows, tag("tile_width", 0) * tag("tile", 0))
    return 2 * pixels * bits // 8


def _may_be_turned(image: Image.Image) -> bool:
    """Whether an image may have to be rotated; for a JPEG, this is known before its pixels are read."""
    if image.format in ("JPEG", "MPO"):
        return bool(image.getexif().get(_ORIENTATION, 1) != 1)
    return image.format in ("PNG", "TIFF")


def _plane(size: tuple[int, int], mode: str) -> int:
    return size[1] * (size[0] * _BYTES.get(mode, 4) + _ROW)
