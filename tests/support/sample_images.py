"""Generated images, as arrays and as files of any format."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image


def make_pixels(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Smooth shading with texture and four different corners."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    smooth = np.stack([x, y, (x + y) / 2], axis=-1) * 180 + 30
    texture = 25 * np.sin(x * 40)[..., None] + rng.normal(0, 6, (height, width, 1))
    return np.clip(smooth + texture, 0, 255).astype(np.uint8)


def encode(pixels: np.ndarray | Image.Image, form: str, **options: object) -> bytes:
    """An image encoded by Pillow."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def make_png(width: int, height: int, bits: int, colour: int, lines: bytes) -> bytes:
    """A PNG assembled from its parts, valid or not; each line starts with a filter byte of 0."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def make_dicom(pixels: np.ndarray, photometric: str = "RGB", jpeg: bytes | None = None) -> bytes:
    """A dermoscopic DICOM file of pixels (h, w) or (h, w, 3), uncompressed or with this JPEG in it."""
    import pydicom
    from pydicom.encaps import encapsulate
    from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

    kind = "1.2.840.10008.5.1.4.1.1.77.1.7"
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, "1.2.3"
    meta.TransferSyntaxUID = JPEGBaseline8Bit if jpeg else ExplicitVRLittleEndian
    dataset = pydicom.dataset.FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, "1.2.3"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit, dataset.PixelRepresentation, dataset.PlanarConfiguration = dataset.BitsStored - 1, 0, 0
    dataset.PixelData = encapsulate([jpeg]) if jpeg else pixels.tobytes()
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
