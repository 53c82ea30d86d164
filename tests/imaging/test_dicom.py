"""DICOM photographs are read like any image; errors never contain patient data."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from sample_images import encode, make_pixels, make_png

pydicom = pytest.importorskip("pydicom")
from pydicom.dataset import FileDataset, FileMetaDataset  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless  # noqa: E402

from residerm.config import PixelSpec  # noqa: E402
from residerm.errors import ImageError  # noqa: E402
from residerm.imaging import decode, read  # noqa: E402

DERMOSCOPY = "1.2.840.10008.5.1.4.1.1.77.1.7"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
CT = "1.2.840.10008.5.1.4.1.1.2"
PATIENT = "Doe^Jane"


def dicom(pixels: np.ndarray, syntax: str = ExplicitVRLittleEndian, kind: str = DERMOSCOPY, **changes: Any) -> bytes:
    """A DICOM file of pixels (h, w) or (h, w, 3)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, "1.2.3"
    meta.TransferSyntaxUID = syntax
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, "1.2.3"
    dataset.PatientName, dataset.PatientBirthDate = PATIENT, "19700101"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit, dataset.PixelRepresentation, dataset.PlanarConfiguration = dataset.BitsStored - 1, 0, 0
    dataset.PixelData = pixels.tobytes()
    for name, value in changes.items():
        setattr(dataset, name, value)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("kind", [DERMOSCOPY, CAPTURE])
def test_uncompressed_pixels_are_exact(syntax: str, kind: str) -> None:
    pixels = make_pixels(40, 30)
    assert np.array_equal(np.asarray(decode(dicom(pixels, syntax, kind))), pixels)


def test_encapsulated_jpeg() -> None:
    jpeg = encode(make_pixels(40, 30), "JPEG")
    data = dicom(make_pixels(40, 30), JPEGBaseline8Bit, PixelData=encapsulate([jpeg]))
    spec = PixelSpec(size=16)
    assert np.array_equal(read(data, spec), read(jpeg, spec))


def test_first_of_several_frames_is_read() -> None:
    first, second = make_pixels(20, 10, 1), make_pixels(20, 10, 2)
    data = dicom(first, NumberOfFrames="2", PixelData=first.tobytes() + second.tobytes())
    assert np.array_equal(np.asarray(decode(data)), first)


@pytest.mark.parametrize(("name", "expected"), [("MONOCHROME2", 0x12), ("MONOCHROME1", 255 - 0x12)])
def test_twelve_bit_grey_keeps_the_high_bits(name: str, expected: int) -> None:
    grey = np.full((8, 8), 0x123, np.uint16)
    image = decode(dicom(grey, BitsStored=12, HighBit=11, PhotometricInterpretation=name))
    assert np.unique(np.asarray(image)).tolist() == [expected]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": CT}, "neither a visible-light image nor a secondary capture"),
        ({"Rows": 20_000, "Columns": 20_000}, "megapixels"),
        ({"Rows": 31}, "damaged"),
        ({"PixelRepresentation": 1}, "neither RGB nor grey"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "neither RGB nor grey"),
        ({"syntax": RLELossless, "PixelData": encapsulate([b"\0" * 64])}, "unsupported compression"),
        ({"syntax": JPEGBaseline8Bit, "PixelData": encapsulate([b"no image"])}, "not an image"),
    ],
)
def test_unsupported_files_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ImageError, match=words) as raised:
        read(dicom(make_pixels(40, 30), **changes), PixelSpec(size=16))
    assert "Doe" not in str(raised.value)


def test_jpeg_larger_than_the_header_is_refused() -> None:
    bomb = make_png(12_000, 12_000, 8, 0, b"\0")
    with pytest.raises(ImageError, match="megapixels"):
        read(dicom(make_pixels(40, 30), JPEGBaseline8Bit, PixelData=encapsulate([bomb])), PixelSpec(size=16))


def test_deflated_file_is_refused_before_inflation() -> None:
    data = dicom(make_pixels(40, 30)).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    with pytest.raises(ImageError, match="deflated"):
        decode(data)


def test_random_damage_is_an_error_without_patient_data(caplog: pytest.LogCaptureFixture) -> None:
    data, random = dicom(make_pixels(40, 30)), np.random.default_rng(0)
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as warned:
        for _ in range(300):
            broken = bytearray(data[: random.integers(132, len(data))])
            for place in random.integers(132, min(len(broken), 900), 6):
                broken[place] = random.integers(256)
            try:
                decode(bytes(broken))
            except ImageError as error:
                assert "Doe" not in str(error)  # noqa: PT017
    assert "Doe" not in caplog.text
    assert not [one for one in warned if "Doe" in str(one.message)]


def test_missing_pydicom_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dicom(make_pixels(40, 30))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImageError, match=r"residerm\[dicom\]"):
        decode(data)
