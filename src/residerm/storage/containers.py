"""What holds files: the protocol of every container, and the folder, the plainest of them.

A container lists its files in no particular order and gives the bytes of one; what is hidden, or a dropping of an
operating system, is not listed. A failure to read one file is an `ImageError` that says why; the name is known above.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from residerm.errors import ArchiveError, ImageError, explain
from residerm.files import open_regular, read_regular

LARGEST_IMAGE = 2**28  # bytes; what may be decoded of 8-bit RGBA, 62 megapixels, takes 250 MB where it is not packed
PACKED = (".zip", ".npz")
_DROPPINGS = ("__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir")


class File(NamedTuple):
    """One file: where it is and how to read it. CRC 0 means not known."""

    container: int
    name: bytes  # path inside the container; bytes, because not every name is UTF-8
    position: int  # offset of a zip member, row of an npz, time of change (ns) of a file in a folder
    packed: int
    size: int
    crc: int
    method: int


class Container(Protocol):
    """Something that holds files; they may be read from any thread."""

    path: Path

    def files(self, number: int) -> Iterator[File]:
        """All files in it; `number` is the container's own."""

    def open(self, file: File) -> IO[bytes]:
        """One file, as a stream."""

    def read(self, file: File) -> bytes:
        """One file, whole."""


class Folder:
    """Files as they lie in a folder."""

    def __init__(self, path: Path) -> None:
        """Remember the folder."""
        self.path = path

    def files(self, number: int) -> Iterator[File]:
        """All files below the folder but the containers among them."""
        root = len(os.path.join(self.path, ""))  # noqa: PTH118 (with the slash at its end)
        for entry in walk(self.path):
            if not entry.name.lower().endswith(PACKED):
                yield _file(number, entry, entry.path[root:])

    def open(self, file: File) -> IO[bytes]:
        """One file, as a stream."""
        try:
            return open_regular(self.path / os.fsdecode(file.name))
        except OSError as error:
            raise ImageError(f"it cannot be read: {explain(error)}") from error

    def read(self, file: File) -> bytes:
        """One file, whole."""
        refuse_giant(file)
        return read_image_file(self.path / os.fsdecode(file.name))


def read_image_file(path: Path) -> bytes:
    """The bytes of an image's file; an `ImageError` says why they cannot be read."""
    try:
        return read_regular(path, LARGEST_IMAGE)
    except OSError as error:
        raise ImageError(f"it cannot be read: {explain(error)}") from error


def walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Every file below a folder, in no particular order. Links are followed, but no folder is entered twice."""
    entered = set()
    waiting = [os.fspath(folder)]  # as text: a Path would drop the `./` that all names begin with
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
            raise ArchiveError(f"cannot list {path}: {explain(error)}") from error


def is_ignored(name: str) -> bool:
    """Whether a name is hidden or a dropping of an operating system."""
    return name in _DROPPINGS or name.startswith(".")


def refuse_giant(file: File) -> None:
    """Refuse to hold a file in memory that no image fills."""
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
    except OSError:  # a link that leads nowhere is listed, and fails when it is read
        size, changed = 0, 0
    return File(number, os.fsencode(name), changed, size, size, 0, 0)
