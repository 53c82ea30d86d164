"""A NumPy npz of images and labels, such as MedMNIST's, as a container of image files.

Rows of arrays whose names end in `_images` are returned as PPM (colour) or PGM (grey) files, so they are decoded like
all other images; arrays are inflated once, to an unnamed temporary file, and mapped. Nothing is ever unpickled.
"""

from __future__ import annotations

import io
import math
import os
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal, NamedTuple

import numpy as np

from residerm.errors import ArchiveError, ImageError, nearest
from residerm.storage.containers import File
from residerm.storage.zips import STORED, Zip

_ROW = ".ppm"
_MOST_ROWS = 2**20  # of an array; MedMNIST's largest has 236,386, and zeros are packed a thousand to one
_MOST_SAID = 100  # characters of NumPy's reason


class Npz:
    """The rows of the image arrays of an npz, as PPM files named `<array>/<row>.ppm`; labels are read with `array`."""

    def __init__(self, path: Path) -> None:
        """Open the npz; arrays are inflated when they are first read."""
        self.path = path
        self._zip = Zip(path)
        self._members = {os.fsdecode(file.name).removesuffix(".npy"): file for file in self._zip.files(0)}
        self._arrays: dict[str, np.ndarray] = {}
        self._inflating = threading.Lock()

    def array(self, name: str) -> np.ndarray:
        """One array, inflated to an unnamed temporary file and mapped."""
        if name not in self._members:
            known = ", ".join(self._members) or "none"
            raise ArchiveError(f"{self.path} has no array {name!r}; it has {known}.{nearest(name, self._members)}")
        with self._inflating:  # otherwise, each thread would inflate its own
            if name not in self._arrays:
                self._arrays[name] = self._map(name)
        return self._arrays[name]

    def files(self, number: int) -> Iterator[File]:
        """Iterate over one file for each row of each image array, and one for each other array."""
        for name, member in self._members.items():
            if not name.endswith("_images"):
                yield member._replace(container=number)
                continue
            shape = self._shape_of_images(name)
            size = math.prod(shape[1:])
            for row in range(shape[0]):
                crc = zlib.crc32(row.to_bytes(8, "little"), member.crc)  # identifies the content without inflating it
                yield File(number, f"{name}/{row:06d}{_ROW}".encode(), row, size, size, crc, STORED)

    def open(self, file: File) -> IO[bytes]:
        """A row as a stream; an array that contains no images as its npy file."""
        return io.BytesIO(self.read(file)) if _is_row(file) else self._zip.open(file)

    def read(self, file: File) -> bytes:
        """A row as a PPM (colour) or PGM (grey) file; an array that contains no images as its npy file."""
        if not _is_row(file):
            return self._zip.read(file)
        row = self.array(os.fsdecode(file.name).partition("/")[0])[file.position]
        height, width = row.shape[:2]
        pixels: bytes = row.tobytes()
        return b"P%d %d %d 255\n" % (6 if row.ndim == 3 else 5, width, height) + pixels

    def _shape_of_images(self, name: str) -> tuple[int, ...]:
        shape, _, dtype, _ = self._header(name)
        if dtype != np.uint8 or 0 in shape[1:] or not (len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)):
            raise ArchiveError(
                f"{self.path}: {name} is {dtype} of shape {shape}; images must be uint8 of shape "
                "(rows, height, width) or (rows, height, width, 3)"
            )
        return shape

    def _map(self, name: str) -> np.ndarray:
        header = self._header(name)
        try:
            with self._zip.open(self._members[name]) as stream:
                return np.memmap(stream, header.dtype, "r", header.start, header.shape, header.order)
        except ImageError as error:
            raise ArchiveError(f"{self.path}: {name}: {error}") from error

    def _header(self, name: str) -> _Header:
        member = self._members[name]
        try:
            header = _read_header(next(self._zip.pieces(member), b""))
        except Exception as error:  # NumPy's parser of headers raises exceptions of any kind
            reason = str(error).partition("\n")[0][:_MOST_SAID]
            raise ArchiveError(
                f"{self.path}: {name} is not a NumPy array ({reason}): download the npz again"
            ) from error
        if header.dtype.hasobject:
            raise ArchiveError(f"{self.path}: {name} contains Python objects, which could run code: it is not read")
        size = header.start + math.prod(header.shape) * header.dtype.itemsize
        if size != member.size or min(header.shape, default=0) < 0:
            raise ArchiveError(f"{self.path}: {name} is truncated or damaged: download the npz again")
        if max(header.shape[:1], default=0) > _MOST_ROWS:
            raise ArchiveError(f"{self.path}: {name} has {header.shape[0]:,} rows; at most {_MOST_ROWS:,} are read")
        return header


class _Header(NamedTuple):
    shape: tuple[int, ...]
    order: Literal["C", "F"]
    dtype: np.dtype
    start: int  # of the values


def _is_row(file: File) -> bool:
    return file.name.endswith(_ROW.encode())


def _read_header(head: bytes) -> _Header:
    stream = io.BytesIO(head)
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = read(stream)
    return _Header(shape, "F" if fortran_order else "C", dtype, stream.tell())
