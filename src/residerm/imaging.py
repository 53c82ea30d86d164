"""Bytes of an image file → a square of RGB pixels. The only decoder: cache, prediction and service all call `read`.

What holds: the same bytes and the same spec give the same pixels wherever they are read. They come out as 8-bit RGB,
upright as their EXIF orientation says:

    16 bits a sample    the higher byte
    transparent         on white, as a viewer shows it
    CMYK                inverted as Adobe writes it in a JPEG, converted without a profile
    colour profile      ignored: published archives are sRGB, and models have never seen another conversion
    several frames      the first

Over 100 megapixels are refused before their memory is taken, unless a JPEG's reduced decoding brings them under; the
JPEG must hold its pixels in one scan, for of several scans libjpeg keeps every coefficient. `VERSION` changes whenever
the pixels would.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from residerm.config import PixelSpec
from residerm.errors import ImageError

VERSION = 1
MAXIMUM_PIXELS = 100_000_000
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm"})

_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM")  # and no format that runs another program
_FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_JPEG_PIXELS_PER_BYTE = 512  # a block of 64 pixels takes at least a bit
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"

Image.init()  # now, because threads that find no plugins yet would load them at once and miss some
Image.MAX_IMAGE_PIXELS = None  # our own limit is checked before any pixel is decoded, and names the way out
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # odd metadata; the pixels are what counts


def read(data: bytes, spec: PixelSpec, most_pixels: int | None = None) -> np.ndarray:
    """Decode an image file to the pixels that the spec asks for: uint8, RGB."""
    image = decode(data, (2 * spec.size, 2 * spec.size) if spec.reduced else None, most_pixels)
    side, resampling = (spec.size, spec.size), _FILTERS[spec.filter]
    if spec.aspect == "crop":
        image = ImageOps.fit(image, side, resampling)
    elif spec.aspect == "pad":
        image = _pad(image, spec.size, resampling)
    else:
        image = image.resize(side, resampling)
    return np.asarray(image)  # (size, size, 3)


def decode(data: bytes, at_least: tuple[int, int] | None = None, most_pixels: int | None = None) -> Image.Image:
    """Decode an image file to upright 8-bit RGB; a JPEG at 1/2, 1/4 or 1/8 if that is still `at_least` so large."""
    if not data:
        raise ImageError("the file is empty")
    try:
        image = _open(data, at_least, most_pixels or MAXIMUM_PIXELS)
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return _to_rgb(image)
    except ImageError:
        raise
    except Exception as error:  # what Pillow raises of a damaged file has no common ground: even TypeError was seen
        raise ImageError(_reason(error)) from error


def _open(data: bytes, at_least: tuple[int, int] | None, most_pixels: int) -> Image.Image:
    """The image with its size known and no pixel decoded; refuses what would take too much memory."""
    stream = io.BytesIO(data)
    image: Image.Image = Image.open(stream, formats=_FORMATS)
    first_scan = stream.tell()  # of a JPEG: what comes next are its pixels
    width, height = image.size
    if image.format in ("JPEG", "MPO"):
        _require_whole(data, first_scan, width, height)
    if at_least is not None:
        image.draft("RGB", at_least)  # only a JPEG takes heed of it
    if width * height > most_pixels and data.find(_START_OF_SCAN, first_scan) < 0:
        width, height = image.size
    if width * height > most_pixels:
        raise ImageError(
            f"{width}x{height} pixels are more than the {most_pixels / 1e6:g} megapixels that are read; "
            "scale the image down, or leave it out"
        )
    return image


def _require_whole(jpeg: bytes, first_scan: int, width: int, height: int) -> None:
    """Refuse what libjpeg would fill up with grey: a broken download into a file reserved whole, an invented size."""
    if jpeg.find(_END_OF_IMAGE, first_scan) < 0:
        raise ImageError("the image is cut short")
    if width * height > _JPEG_PIXELS_PER_BYTE * len(jpeg):
        raise ImageError(f"the image is damaged: {width}x{height} pixels do not fit into its {len(jpeg):,} bytes")


def _to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB of any mode that has a plain meaning."""
    if image.mode in ("F", "LAB") or (image.mode == "I" and image.format == "TIFF"):
        raise ImageError(f"its pixels (mode {image.mode}) are neither of 8 nor of 16 bits: save it as 8-bit RGB")
    if image.mode.startswith("I"):  # 16 bits, whatever wider type Pillow holds them in
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _pad(image: Image.Image, size: int, resampling: Image.Resampling) -> Image.Image:
    """The whole image in the middle of a black square."""
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    square = Image.new("RGB", (size, size), "black")
    square.paste(image.resize((width, height), resampling), ((size - width) // 2, (size - height) // 2))
    return square


def _reason(error: Exception) -> str:
    """Pillow's reason, without its object addresses."""
    if isinstance(error, UnidentifiedImageError):
        return "this is not an image, or its header is damaged"
    if isinstance(error, MemoryError):
        return "there is not enough memory to decode it"
    text = str(error) or type(error).__name__
    return "the image is cut short" if "truncated" in text.lower() else f"the image is damaged ({text})"
