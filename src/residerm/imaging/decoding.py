"""Decoding: 8-bit RGB, upright as the EXIF orientation says, whatever a file holds.

    16 bits a sample    the higher byte
    transparent         on white, as a viewer shows it
    CMYK                inverted as Adobe writes it in a JPEG, converted without a profile
    colour profile      ignored: published archives are sRGB, and models have never seen another conversion
    several frames      the first
    DICOM               see `dicom`

What would take too much memory is refused before any is taken; a JPEG is measured at the reduced scale at which it is
decoded, unless its pixels lie in several scans, for of these libjpeg keeps every coefficient. `VERSION` changes
whenever the pixels would.
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

_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM")  # and no format that runs another program
_FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_JPEG_PIXELS_PER_BYTE = 512  # a block of 64 pixels takes at least a bit
_BAND_PIXELS = 2**18  # converted at a time, so that what lies between is small
_Result = TypeVar("_Result")
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"

Image.init()  # now, because threads that find no plugins yet would load them at once and miss some
Image.MAX_IMAGE_PIXELS = None  # our own limits are checked before any pixel is decoded, and name the way out
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # odd metadata; the pixels are what counts


def read(data: bytes, spec: PixelSpec, most_pixels: int | None = None) -> np.ndarray:
    """Decode an image file to the pixels that the spec asks for: uint8, RGB."""
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
    """The image that `decoded` gives, for one at a time: its memory is not reserved any longer."""
    with decoded(data, at_least, most_pixels) as image:
        return image


@contextmanager
def decoded(
    data: bytes, at_least: tuple[int, int] | None = None, most_pixels: int | None = None, *, resized_to: int = 0
) -> Iterator[Image.Image]:
    """Decode an image file to upright 8-bit RGB; its memory is reserved among all threads until the block ends.

    A JPEG is decoded at 1/2, 1/4 or 1/8 if that is still `at_least` so large. `most_pixels` is a limit of the caller's
    own. `resized_to` reserves what it takes to make a square of the image.
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
    if size:  # its decoder takes memory when it is opened
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
    """A step's result; whatever it raises of a damaged file becomes an `ImageError`."""
    try:
        return step()
    except ImageError:
        raise
    except Exception as error:  # what Pillow raises of a damaged file has no common ground: even TypeError was seen
        raise ImageError(_reason(error)) from error


def _open(data: bytes) -> Image.Image:
    image: Image.Image = Image.open(io.BytesIO(data), formats=_FORMATS)
    return image


def _measured(
    data: bytes, at_least: tuple[int, int] | None, most_pixels: int | None, resized_to: int
) -> tuple[Image.Image, int]:
    """The image with its size known and no pixel decoded, and the memory that it will take; refuses too much."""
    stream = io.BytesIO(data)
    image: Image.Image = Image.open(stream, formats=_FORMATS)
    first_scan = stream.tell()  # of a JPEG: what comes next are its pixels
    full_size, scans = image.size, 1
    if image.format == "TIFF":
        silence_libtiff()
    if image.format in ("JPEG", "MPO"):
        _require_whole(data, first_scan, *full_size)
        scans += data.count(_START_OF_SCAN, first_scan)
    if at_least is not None:
        image.draft("RGB", at_least)  # only a JPEG takes heed of it
    limits.require_size(*(full_size if scans > 1 else image.size), most_pixels)
    limits.require_usual(image, scans)
    memory = max(limits.of_image(image, full_size, scans), limits.of_resizing(image.size, resized_to))
    limits.require_memory(memory, *full_size)
    return image, memory


def _require_whole(jpeg: bytes, first_scan: int, width: int, height: int) -> None:
    """Refuse what libjpeg would fill up with grey: a broken download into a file reserved whole, an invented size."""
    if jpeg.find(_END_OF_IMAGE, first_scan) < 0:
        raise ImageError("the image is cut short")
    if width * height > _JPEG_PIXELS_PER_BYTE * len(jpeg):
        raise ImageError(f"the image is damaged: {width}x{height} pixels do not fit into its {len(jpeg):,} bytes")


def _upright_rgb(image: Image.Image) -> Image.Image:
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    return _to_rgb(image)


def _to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB of any mode that has a plain meaning."""
    if image.mode in ("F", "LAB") or (image.mode == "I" and image.format == "TIFF"):
        raise ImageError(f"its pixels (mode {image.mode}) are neither of 8 nor of 16 bits: save it as 8-bit RGB")
    if image.mode.startswith("I"):  # 16 bits, whatever wider type Pillow holds them in
        return _in_bands(image, _higher_byte)
    if image.has_transparency_data:
        return _values_on_white(image) if image.mode in ("P", "L") else _in_bands(image, _on_white)
    return image if image.mode == "RGB" else image.convert("RGB")


def _in_bands(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Convert an image to RGB some rows at a time, so that the steps between need little memory."""
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
    """An image of up to 256 colours, some transparent: each colour is laid on white once, not every pixel."""
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
