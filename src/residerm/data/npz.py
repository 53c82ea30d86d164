"""A NumPy npz of images and labels, such as MedMNIST's, as a container of image files.

Rows of arrays whose names end in `_images` come out as PPM (colour) or PGM (grey) files, so that they take the way of
every other image; arrays are inflated once, to a file without a name, and mapped.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from residerm.data.containers import STORED, File, Zip
from residerm.errors import ArchiveError


class Npz:
    """The rows of an npz's image arrays, as PPM files named `<array>/<row>.ppm`; labels are read by `array`."""

    def __init__(self, path: Path) -> None:
        """Open the npz; arrays are inflated when they are first read."""
        self.path = path
        self._zip = Zip(path)
        self._members = {os.fsdecode(file.name).removesuffix(".npy"): file for file in self._zip.files(0)}
        self._arrays: dict[str, np.ndarray] = {}

    def array(self, name: str) -> np.ndarray:
        """One array, inflated to a file without a name and mapped."""
        if name not in self._arrays:
            self._arrays[name] = self._map(self._members[name])
        return self._arrays[name]

    def files(self, number: int) -> Iterator[File]:
        """A file for each row of each array of images, and one for each other array."""
        for name, member in self._members.items():
            shape = self._shape(member)
            if not name.endswith("_images"):
                yield member._replace(container=number)
                continue
            size = int(np.prod(shape[1:]))
            for row in range(shape[0]):
                crc = zlib.crc32(row.to_bytes(8, "little"), member.crc)  # names the content without inflating it
                yield File(number, f"{name}/{row:06d}.ppm".encode(), row, size, size, crc, STORED)

    def read(self, file: File) -> bytes:
        """One row as a PPM (colour) or PGM (grey) file."""
        rows = self.array(os.fsdecode(file.name).partition("/")[0])
        row = rows[file.position]
        height, width = row.shape[:2]
        return b"P%d %d %d 255\n" % (6 if row.ndim == 3 else 5, width, height) + row.tobytes()

    def open(self, file: File) -> IO[bytes]:
        """An array that holds no images, as the npy file that it is."""
        return self._zip.open(file)

    def _shape(self, member: File) -> tuple[int, ...]:
        head = next(self._zip.chunks(member), b"")
        return _npy_header(head, self.path)[0]

    def _map(self, member: File) -> np.ndarray:
        with self._zip.open(member) as stream:
            shape, dtype, offset = _npy_header(stream.read(4096), self.path)
            return np.memmap(stream, dtype, mode="r", offset=offset, shape=shape)


def _npy_header(head: bytes, path: Path) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape, type and start of the values of an npy file; only plain numbers in C order are read, never objects."""
    stream = io.BytesIO(head)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran_order, dtype = read(stream)
    except (ValueError, EOFError) as error:
        raise ArchiveError(
            f"{path} holds something that is not a NumPy array: it is not an npz as published"
        ) from error
    if dtype.hasobject or fortran_order:
        raise ArchiveError(f"{path} holds an array of Python objects or in Fortran order, which is not read")
    return shape, dtype, stream.tell()
