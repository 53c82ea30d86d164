"""Decode any image file to 8-bit RGB, upright according to its EXIF orientation.

    16 bits a sample    the high byte
    transparent         on white, as in a viewer
    CMYK                inverted, as Adobe stores it in JPEGs, and converted without a profile
    colour profile      ignored: published archives are sRGB, and models were trained without conversion
    several frames      the first
    DICOM               see `dicom`

Images that would need too much memory are refused before any is allocated. The memory of a JPEG is estimated at the
reduced scale at which it is decoded, unless it has several scans, for which libjpeg stores every coefficient.
`VERSION` changes whenever the decoded pixels do.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from residerm.config import PixelSpec
from residerm.errors import ImageError
from residerm.imaging import dicom, limits, structure
from residerm.imaging.libtiff import silence_libtiff
from residerm.imaging.memory import BUDGET

VERSION = 1
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".dcm"})

_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM")  # no format that runs another program
_FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_JPEG_PIXELS_PER_BYTE = 512  # a block of 64 pixels takes at least a bit
_BAND_PIXELS = 2**18  # converted at a time, to keep intermediate images small
_Result = TypeVar("_Result")
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"

Image.init()  # now, because threads that load the plugins concurrently would miss some
Image.MAX_IMAGE_PIXELS = None  # our own limits are checked before any pixel is decoded, with better messages
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # about metadata, which is not used


def read(data: bytes, spec: PixelSpec, most_pixels: int | None = None) -> np.ndarray:
    """Decode an image file to the pixels specified by `spec`: uint8, RGB."""
    side, resampling = (spec.size, spec.size), _FILTERS[spec.filter]
    at_least = (2 * spec.size, 2 * spec.size) if spec.reduced else None
    with decoded(data, at_least, most_pixels, resized_to=spec.size) as image:
        if spec.aspect == "crop":
            square = ImageOps.fit(image, side, resampling)
        elif spec.aspect == "pad":
            square = _pad(image, spec.size, resampling)
        else:
            square = image.resize(side, resampling)
    return np.asarray(square)  # (size, size, 3)


def decode(data: bytes, at_least: tuple[int, int] | None = None, most_pixels: int | None = None) -> Image.Image:
    """Like `decoded`, but without reserving memory after the return: for one image at a time."""
    with decoded(data, at_least, most_pixels) as image:
        return image


@contextmanager
def decoded(
    data: bytes, at_least: tuple[int, int] | None = None, most_pixels: int | None = None, *, resized_to: int = 0
) -> Iterator[Image.Image]:
    """Decode an image file to upright 8-bit RGB; its memory is reserved among all threads until the block ends.

    A JPEG is decoded at 1/2, 1/4 or 1/8 if the result is still at least as large as `at_least`. `most_pixels` is an
    additional limit. `resized_to` also reserves the memory for resizing the image to a square of that size.
    """
    if not data:
        raise ImageError("the file is empty")
    if dicom.is_dicom(data):
        jpeg = dicom.jpeg_inside(data)
        if jpeg is None:
            with dicom.decoded(data, most_pixels) as image:
                yield image
            return
        data = jpeg
    structure.require_simple(data)
    size = structure.webp_size(data)
    if size:  # its decoder allocates memory when it is opened
        limits.require_size(*size, most_pixels)
        memory = max(limits.of_webp(size, data), limits.of_resizing(size, resized_to))
        limits.require_memory(memory, *size)
        with BUDGET.reserved(memory):
            yield _explained(lambda: _upright_rgb(_open(data)))
        return
    image, memory = _explained(lambda: _measured(data, at_least, most_pixels, resized_to))
    with BUDGET.reserved(memory):
        yield _explained(lambda: _upright_rgb(image))


def _explained(step: Callable[[], _Result]) -> _Result:
    """The result of a step; exceptions caused by a damaged file become an `ImageError`."""
    try:
        return step()
    except ImageError:
        raise
    except Exception as error:  # Pillow's errors for damaged files have no common base: even TypeError occurs
        raise ImageError(_reason(error)) from error


def _open(data: bytes) -> Image.Image:
    image: Image.Image = Image.open(io.BytesIO(data), formats=_FORMATS)
    return image


def _measured(
    data: bytes, at_least: tuple[int, int] | None, most_pixels: int | None, resized_to: int
) -> tuple[Image.Image, int]:
    """Open the image without decoding pixels, and estimate its memory; refuse it if that is too much."""
    stream = io.BytesIO(data)
    image: Image.Image = Image.open(stream, formats=_FORMATS)
    first_scan = stream.tell()  # of a JPEG: its pixels follow
    full_size, scans = image.size, 1
    if image.format == "TIFF":
        silence_libtiff()
    if image.format in ("JPEG", "MPO"):
        _require_whole(data, first_scan, *full_size)
        scans += data.count(_START_OF_SCAN, first_scan)
    if most_pixels is not None:  # even if it would be decoded at an eighth, because all of it must be read
        limits.require_size(*full_size, most_pixels)
    if at_least is not None:
        image.draft("RGB", at_least)  # only affects JPEGs
    limits.require_size(*(full_size if scans > 1 else image.size), most_pixels)
    limits.require_usual(image, scans)
    memory = max(limits.of_image(image, full_size, scans), limits.of_resizing(image.size, resized_to))
    limits.require_memory(memory, *full_size)
    return image, memory


def _require_whole(jpeg: bytes, first_scan: int, width: int, height: int) -> None:
    """Refuse a JPEG that libjpeg would fill with grey: a partial download into a preallocated file, or a false size."""
    if jpeg.find(_END_OF_IMAGE, first_scan) < 0:
        raise ImageError("the image is cut short")
    if width * height > _JPEG_PIXELS_PER_BYTE * len(jpeg):
        raise ImageError(f"the image is damaged: {width}x{height} pixels do not fit into its {len(jpeg):,} bytes")


def _upright_rgb(image: Image.Image) -> Image.Image:
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    return _to_rgb(image)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any unambiguous mode to 8-bit RGB."""
    if image.mode in ("F", "LAB") or (image.mode == "I" and image.format == "TIFF"):
        raise ImageError(f"its pixels (mode {image.mode}) are neither of 8 nor of 16 bits: save it as 8-bit RGB")
    if image.mode.startswith("I"):  # 16 bits, even if Pillow stores them in a wider type
        return _in_bands(image, _higher_byte)
    if image.has_transparency_data:
        return _values_on_white(image) if image.mode in ("P", "L") else _in_bands(image, _on_white)
    return image if image.mode == "RGB" else image.convert("RGB")


def _in_bands(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Convert an image to RGB in bands of rows, so that intermediate steps need little memory."""
    converted = Image.new("RGB", image.size)
    rows = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        converted.paste(convert(band), (0, top))
    return converted


def _higher_byte(image: Image.Image) -> Image.Image:
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    layer = image.convert("RGBA")
    alpha: object = layer.getchannel("A").getextrema()
    if alpha == (255, 255):
        return layer.convert("RGB")
    if alpha == (0, 0):
        return Image.new("RGB", layer.size, "white")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def _values_on_white(image: Image.Image) -> Image.Image:
    """Put an image of up to 256 colours on white by blending each colour once instead of every pixel."""
    values = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    if image.mode == "P":
        kind = "RGB" if "transparency" in image.info else "RGBA"
        values.putpalette(image.getpalette(kind) or [], kind)
    values.info = {key: value for key, value in image.info.items() if key == "transparency"}
    opaque = np.asarray(_on_white(values))
    image.info.pop("transparency", None)
    image.putpalette(opaque.tobytes(), "RGB")
    return image.convert("RGB")


def _pad(image: Image.Image, size: int, resampling: Image.Resampling) -> Image.Image:
    """Fit the whole image into the centre of a black square."""
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
