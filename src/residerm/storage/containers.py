"""The protocol of containers of files, and the simplest one, a folder.

A container lists its files in no particular order and reads their bytes; hidden files and those created by operating
systems are not listed. Failing to read a file raises an `ImageError` that says why; the caller adds the name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from residerm.errors import ArchiveError, ImageError, system_reason
from residerm.files import open_regular, read_regular

LARGEST_IMAGE = 2**28  # bytes; the most that may be decoded, 62 megapixels of 8-bit RGBA, takes 250 MB uncompressed
PACKED = (".zip", ".npz")
_DROPPINGS = ("__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir")


class File(NamedTuple):
    """One file: where it is and how to read it. CRC 0 means unknown."""

    container: int
    name: bytes  # path inside the container; bytes, because not every name is UTF-8
    position: int  # offset of a zip member, row of an npz, modification time (ns) of a file in a folder
    packed: int
    size: int
    crc: int
    method: int


class Container(Protocol):
    """A container of files, which may be read from any thread."""

    path: Path

    def files(self, number: int) -> Iterator[File]:
        """Iterate over all files; `number` is that of the container."""

    def open(self, file: File) -> IO[bytes]:
        """One file, as a stream."""

    def read(self, file: File) -> bytes:
        """One file, whole."""


class Folder:
    """The files in a folder."""

    def __init__(self, path: Path) -> None:
        """Remember the folder."""
        self.path = path

    def files(self, number: int) -> Iterator[File]:
        """Iterate over all files below the folder, except containers."""
        root = len(os.path.join(self.path, ""))  # noqa: PTH118 (with a trailing slash)
        for entry in walk(self.path):
            if not entry.name.lower().endswith(PACKED):
                yield _file(number, entry, entry.path[root:])

    def open(self, file: File) -> IO[bytes]:
        """One file, as a stream."""
        try:
            return open_regular(self.path / os.fsdecode(file.name))
        except OSError as error:
            raise ImageError(f"it cannot be read: {system_reason(error)}") from error

    def read(self, file: File) -> bytes:
        """One file, whole."""
        refuse_giant(file)
        return read_image_file(self.path / os.fsdecode(file.name))


def read_image_file(path: Path) -> bytes:
    """Read the bytes of an image file; raise an `ImageError` that says why if they cannot be read."""
    try:
        return read_regular(path, LARGEST_IMAGE)
    except OSError as error:
        raise ImageError(f"it cannot be read: {system_reason(error)}") from error


def walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Iterate over all files below a folder, in no order. Links are followed, but each folder is read only once."""
    entered = set()
    waiting = [os.fspath(folder)]  # as text: a Path would drop the leading `./` of all names
    while waiting:
        path = waiting.pop()
        try:
            status = Path(path).stat()
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            with os.scandir(path) as entries:
                for entry in entries:
                    if is_ignored(entry.name):
                        continue
                    if _is_folder(entry):
                        waiting.append(entry.path)
                    else:
                        yield entry
        except OSError as error:
            raise ArchiveError(f"cannot list {path}: {system_reason(error)}") from error


def is_ignored(name: str) -> bool:
    """Whether a name is hidden or was created by an operating system."""
    return name in _DROPPINGS or name.startswith(".")


def refuse_giant(file: File) -> None:
    """Refuse to load a file that is too large for an image."""
    if file.size > LARGEST_IMAGE:
        raise ImageError(f"it claims {file.size:,} bytes; an image has at most {LARGEST_IMAGE:,}")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _file(number: int, entry: os.DirEntry[str], name: str) -> File:
    try:
        status = entry.stat()
        size, changed = status.st_size, status.st_mtime_ns
    except OSError:  # a broken link is listed, and fails when it is read
        size, changed = 0, 0
    return File(number, os.fsencode(name), changed, size, size, 0, 0)
