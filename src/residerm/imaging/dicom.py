"""DICOM files of visible-light images (photographs, dermoscopy) and secondary captures; the first frame is read.

Pixels are uncompressed (RGB, YBR, or grey of 8 to 16 bits) or a JPEG inside the file, which is decoded like any other
JPEG. Patients' names, dates and numbers never appear in messages, logs or responses: pydicom's messages are never
repeated.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from residerm.errors import ImageError
from residerm.imaging import limits
from residerm.imaging.memory import BUDGET

if TYPE_CHECKING:
    from pydicom import Dataset

_PREAMBLE, _MAGIC = 128, b"DICM"
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_UNCOMPRESSED = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"})
_JPEG = frozenset({"1.2.840.10008.1.2.4.50"})
_KINDS = ("1.2.840.10008.5.1.4.1.1.77.1.", "1.2.840.10008.5.1.4.1.1.7")  # visible light, secondary capture
_GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_COLOURS = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422"})
_COPIES = 4  # of the pixels, while they are unpacked and converted to RGB

logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)  # its messages contain values of tags
warnings.filterwarnings("ignore", module=r"pydicom\.")  # and so do its warnings


def is_dicom(data: bytes) -> bool:
    """Whether the content of a file is DICOM, regardless of its name."""
    return data[_PREAMBLE : _PREAMBLE + len(_MAGIC)] == _MAGIC


def jpeg_inside(data: bytes) -> bytes | None:
    """The JPEG of the first frame; None if the pixels are not compressed."""
    dataset = _read(data)
    if _syntax(dataset) in _UNCOMPRESSED:
        return None
    from pydicom.encaps import get_frame

    try:
        frame = get_frame(dataset.PixelData, 0, number_of_frames=int(dataset.get("NumberOfFrames") or 1))
    except Exception:  # pydicom's messages may contain patient data
        raise _damaged() from None
    return bytes(frame)


@contextmanager
def decoded(data: bytes, most_pixels: int | None = None) -> Iterator[Image.Image]:
    """The first frame of uncompressed pixels as 8-bit RGB; its memory is reserved until the block ends."""
    from pydicom.pixels.utils import pixel_array

    shape = _Shape.of(_read(data))
    limits.require_size(shape.columns, shape.rows, most_pixels)
    limits.require_memory(shape.memory, shape.columns, shape.rows)
    with BUDGET.reserved(shape.memory):
        try:
            image = shape.image(pixel_array(io.BytesIO(data), index=0))
        except Exception:  # as above
            raise _damaged() from None
        yield image


@dataclass(frozen=True)
class _Shape:
    """The layout of the pixels, from the header."""

    rows: int
    columns: int
    samples: int
    bits: int
    stored: int
    colours: str

    @classmethod
    def of(cls, dataset: Dataset) -> _Shape:
        """Read it, and refuse unsupported files."""
        try:
            shape = cls(
                int(dataset.Rows),
                int(dataset.Columns),
                int(dataset.SamplesPerPixel),
                int(dataset.BitsAllocated),
                int(dataset.BitsStored),
                str(dataset.PhotometricInterpretation),
            )
            signed = bool(dataset.get("PixelRepresentation", 0))
        except Exception:  # as above
            raise _damaged() from None
        if signed or not (shape.is_grey or shape.is_colour):
            raise ImageError("its pixels are neither RGB nor grey of 8 to 16 bits: save it as a photograph in RGB")
        return shape

    @property
    def is_grey(self) -> bool:
        """Whether the pixels are grey with 8 to 16 bits."""
        deep = self.bits in (8, 16) and 8 <= self.stored <= self.bits
        return self.colours in _GREY and self.samples == 1 and deep

    @property
    def is_colour(self) -> bool:
        """Whether the pixels are colour with 8 bits per sample."""
        return self.colours in _COLOURS and self.samples == 3 and self.bits == 8

    @property
    def memory(self) -> int:
        """Bytes needed for decoding."""
        return _COPIES * self.rows * self.columns * max(3, self.samples * self.bits // 8)

    def image(self, pixels: np.ndarray) -> Image.Image:
        """The pixels as 8-bit RGB."""
        if self.samples == 3:
            return Image.fromarray(pixels, "RGB")
        grey = (pixels >> (self.stored - 8)).astype(np.uint8)
        return Image.fromarray(255 - grey if self.colours == "MONOCHROME1" else grey).convert("RGB")


def _read(data: bytes) -> Dataset:
    """Read the data set of a file, and refuse unsupported kinds."""
    try:
        import pydicom
    except ModuleNotFoundError:
        raise ImageError("it is a DICOM file, which needs pydicom: pip install 'residerm[dicom]'") from None
    if _DEFLATED in data:  # it would be inflated at once, to any size
        raise ImageError("the DICOM file is deflated; save it uncompressed, or with JPEG baseline")
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        kind, syntax = str(dataset.SOPClassUID), _syntax(dataset)
        has_pixels = "PixelData" in dataset
    except Exception:  # as above
        raise _damaged() from None
    if not kind.startswith(_KINDS) or not has_pixels:
        raise ImageError("the DICOM file is neither a visible-light image nor a secondary capture")
    if syntax not in _UNCOMPRESSED | _JPEG:
        raise ImageError("the DICOM file has an unsupported compression; save it with JPEG baseline")
    return dataset


def _syntax(dataset: Dataset) -> str:
    return str(dataset.file_meta.TransferSyntaxUID)


def _damaged() -> ImageError:
    return ImageError("the DICOM file is damaged")
