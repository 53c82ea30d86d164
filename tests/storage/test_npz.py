"""npz files as published by MedMNIST and invalid ones, compared with `numpy.load`."""

from __future__ import annotations

import io
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from residerm import imaging
from residerm.errors import ArchiveError
from residerm.storage.npz import Npz

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (5, 6, 8, 3), dtype=np.uint8)
GREY = RANDOM.integers(0, 256, (4, 6, 8), dtype=np.uint8)
LABELS = RANDOM.integers(0, 7, (5, 1), dtype=np.uint8)


def saved(folder: Path, *, packed: bool = True, **arrays: np.ndarray) -> Npz:
    path = folder / "some.npz"
    (np.savez_compressed if packed else np.savez)(path, **arrays)
    return Npz(path)


def with_member(path: Path, name: str, data: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, data)
    return path


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize("packed", [True, False])
def test_rows_are_images(tmp_path, packed):
    npz = saved(tmp_path, packed=packed, train_images=COLOUR, val_images=GREY, train_labels=LABELS)
    files = {os.fsdecode(file.name): file for file in npz.files(2)}
    assert set(files) == {
        *(f"train_images/{row:06d}.ppm" for row in range(5)),
        *(f"val_images/{row:06d}.ppm" for row in range(4)),
        "train_labels.npy",
    }
    for name, file in files.items():
        assert file.container == 2
        if name.endswith(".ppm"):
            row = (COLOUR if name.startswith("train") else GREY)[file.position]
            assert file.size == row.size
            pixels = np.asarray(imaging.decode(npz.read(file)))
            assert np.array_equal(pixels, row if row.ndim == 3 else np.stack([row] * 3, axis=-1))
            assert npz.open(file).read() == npz.read(file)


def test_labels_are_read_by_name(tmp_path):
    npz = saved(tmp_path, train_images=COLOUR, train_labels=LABELS)
    assert np.array_equal(npz.array("train_labels"), LABELS)
    assert npz.array("train_labels").dtype == LABELS.dtype
    (file,) = (file for file in npz.files(0) if file.name == b"train_labels.npy")
    with npz.open(file) as stream:
        assert stream.read() == npz.read(file) == npy(LABELS)


def test_fortran_order(tmp_path):
    npz = saved(tmp_path, train_images=np.asfortranarray(COLOUR))
    for file in npz.files(0):
        assert np.array_equal(np.asarray(imaging.decode(npz.read(file))), COLOUR[file.position])


def test_content_key_of_each_row(tmp_path):
    """Equal for equal arrays and different for other rows or arrays, without decompression."""
    keys = [[file.crc for file in saved(tmp_path, train_images=images).files(0)] for images in (COLOUR, COLOUR, GREY)]
    assert keys[0] == keys[1]
    assert len({*keys[0], *keys[2]}) == 9


def test_arrays_are_read_only_memory_maps(tmp_path):
    array = saved(tmp_path, train_images=COLOUR).array("train_images")
    assert isinstance(array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 0


def test_array_without_rows(tmp_path):
    npz = saved(tmp_path, train_images=COLOUR[:0], train_labels=LABELS[:0])
    assert [file.name for file in npz.files(0)] == [b"train_labels.npy"]
    assert npz.array("train_images").shape == (0, 6, 8, 3)


def test_threads_share_an_npz(tmp_path, monkeypatch):
    npz = saved(tmp_path, train_images=np.repeat(COLOUR, 40, axis=0))
    mapped = []
    monkeypatch.setattr(npz, "_map", lambda name, old=npz._map: mapped.append(name) or old(name))
    files = list(npz.files(0))
    with ThreadPoolExecutor(8) as pool:
        for file, data in zip(files, pool.map(npz.read, files), strict=True):
            assert data.endswith(COLOUR[file.position // 40].tobytes())
    assert mapped == ["train_images"]


@pytest.mark.parametrize("name", ["train_label", "labels"])
def test_missing_array(tmp_path, name):
    npz = saved(tmp_path, train_images=COLOUR, train_labels=LABELS)
    with pytest.raises(ArchiveError, match=f"has no array '{name}'; it has train_images, train_labels. Did you mean"):
        npz.array(name)


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def test_pickled_objects_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    npz = saved(tmp_path, train_images=np.array([Malicious()], dtype=object))
    for read in (lambda: list(npz.files(0)), lambda: npz.array("train_images")):
        with pytest.raises(
            ArchiveError, match=r"some\.npz: train_images contains Python objects, which could run code"
        ):
            read()
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize(
    "images",
    [
        *(COLOUR / 255, COLOUR.astype(np.int8), COLOUR[..., :2], COLOUR[..., None], COLOUR[:, 0, 0, 0], np.uint8(3)),
        *(COLOUR[:, :0], GREY[..., :0]),
    ],
    ids=["fractions", "int8", "two channels", "five axes", "one axis", "no axis", "no height", "no width"],
)
def test_arrays_of_other_shapes_are_refused(tmp_path, images):
    with pytest.raises(ArchiveError, match=r"train_images is \w+ of shape \(.*\); images must be uint8"):
        list(saved(tmp_path, train_images=images).files(0))


@pytest.mark.parametrize("data", [b"", b"\x93NUMPY", b"garbage" * 100, npy(COLOUR)[:40], b"\x93NUMPY\1\0\4\0{'a'"])
def test_invalid_array(tmp_path, data):
    npz = Npz(with_member(tmp_path / "some.npz", "train_images.npy", data))
    for read in (lambda: list(npz.files(0)), lambda: npz.array("train_images")):
        with pytest.raises(
            ArchiveError, match=r"some\.npz: train_images is not a NumPy array .*: download the npz again"
        ):
            read()


def test_array_with_too_few_bytes(tmp_path):
    data = npy(COLOUR).replace(b"(5, 6, 8, 3)", b"(9, 6, 8, 3)")
    npz = Npz(with_member(tmp_path / "some.npz", "train_images.npy", data))
    for read in (lambda: list(npz.files(0)), lambda: npz.array("train_images")):
        with pytest.raises(
            ArchiveError, match=r"some\.npz: train_images is truncated or damaged: download the npz again"
        ):
            read()


@pytest.mark.parametrize("shape", ["(-5, -6, 8, 3)", "(-1, 6, 8, 3)"])
def test_negative_shapes(tmp_path, shape):
    data = npy(COLOUR).replace(b"(5, 6, 8, 3), }", f"{shape}}}".ljust(15).encode()[:15])
    npz = Npz(with_member(tmp_path / "some.npz", "train_images.npy", data))
    with pytest.raises(ArchiveError, match=r"some\.npz: train_images is truncated or damaged"):
        npz.array("train_images")


def test_more_rows_than_any_archive_has(tmp_path):
    npz = saved(tmp_path, some_labels=np.zeros((2**20 + 1, 1)), some_images=np.zeros((2**20 + 1, 1, 1), np.uint8))
    for read in (lambda: list(npz.files(0)), lambda: npz.array("some_labels")):
        with pytest.raises(ArchiveError, match=r"some_\w+ has 1,048,577 rows; at most 1,048,576 are read"):
            read()


def test_a_long_header_is_not_repeated(tmp_path):
    digits = b"{'descr':'|u1','fortran_order':False,'shape':(" + b"9" * 9000 + b",)}"
    data = b"\x93NUMPY\1\0" + len(digits).to_bytes(2, "little") + digits
    npz = Npz(with_member(tmp_path / "some.npz", "train_images.npy", data))
    with pytest.raises(ArchiveError) as failure:
        npz.array("train_images")
    assert len(str(failure.value)) < 300 + len(str(tmp_path))


def test_damaged_bytes(tmp_path):
    path = saved(tmp_path, packed=False, train_images=COLOUR).path
    data = bytearray(path.read_bytes())
    data[data.find(COLOUR[3].tobytes()) + 5] ^= 1
    path.write_bytes(data)
    npz = Npz(path)
    assert len(list(npz.files(0))) == 5
    with pytest.raises(ArchiveError, match=r"some\.npz: train_images: its bytes in the zip are damaged"):
        npz.read(next(npz.files(0)))


def test_file_that_is_not_a_zip(tmp_path):
    (tmp_path / "some.npz").write_bytes(npy(COLOUR))
    with pytest.raises(ArchiveError, match=r"some\.npz is truncated or not a zip"):
        Npz(tmp_path / "some.npz")
