"""All files under a path, packed or unpacked, as one table, so that readers of archives need not distinguish them.

The table is sorted by container and name, so that it is the same on every machine, and is stored in an unnamed
temporary file (see `scratch`), so that private memory does not grow with the archive.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path
from sqlite3 import Connection
from typing import IO

import numpy as np

from residerm.errors import ArchiveError, ImageError, printable, system_reason
from residerm.files import refuse_nul
from residerm.imaging import SUFFIXES
from residerm.storage.containers import PACKED, Container, File, Folder, walk
from residerm.storage.npz import Npz
from residerm.storage.scratch import from_query, scratch_database
from residerm.storage.zips import Zip


class Tree:
    """The files under a path. `files` is a table with the fields of `File`; `read(number)` reads one file."""

    def __init__(self, path: Path, refused: Callable[[Path, ArchiveError], None] | None = None) -> None:
        """List all files under the path, without reading images.

        A zip that cannot be read is an error, or is left out and given to `refused`.
        """
        self.path = path
        self.containers: list[Container] = []
        with scratch_database() as database:
            database.execute("CREATE TABLE file (container, name BLOB, position, packed, size, crc, method)")
            for place, opened in _containers(path):
                try:
                    self._add(opened(), database)
                except ArchiveError as error:
                    if refused is None:
                        raise
                    refused(place, error)
            rows, width = database.execute("SELECT count(*), coalesce(max(length(name)), 1) FROM file").fetchone()
            self.files = from_query(database, "SELECT * FROM file ORDER BY container, name", _file_type(width), rows)

    def _add(self, container: Container, database: Connection) -> None:
        """List the files of a container: all of them or, on an error, none."""
        number = len(self.containers)
        self.containers.append(container)
        try:
            database.executemany("INSERT INTO file VALUES (?,?,?,?,?,?,?)", container.files(number))
        except ArchiveError:
            database.execute("DELETE FROM file WHERE container = ?", (number,))
            raise

    def __len__(self) -> int:
        return len(self.files)

    def file(self, number: int) -> File:
        """One row of the table."""
        return File(*self.files[number].item())

    def names(self) -> Iterator[tuple[int, str]]:
        """Number and name of every file, as text; bytes that are not UTF-8 are kept as surrogates."""
        for number, name in enumerate(self.files["name"]):
            yield number, os.fsdecode(bytes(name))

    @property
    def images(self) -> Iterator[tuple[int, str]]:
        """Number and name of every image."""
        return ((number, name) for number, name in self.names() if is_image(name))

    @cached_property
    def documents(self) -> list[tuple[int, str]]:
        """The files that are not images, such as tables."""
        return [(number, name) for number, name in self.names() if not is_image(name)]

    def find(self, *patterns: str) -> list[int]:
        """Numbers of the documents whose base name matches one of the patterns (`*`, `?`), ignoring case."""
        matches = re.compile("|".join(fnmatch.translate(pattern.lower()) for pattern in patterns)).match
        return [number for number, name in self.documents if matches(name.rpartition("/")[2].lower())]

    def read(self, number: int) -> bytes:
        """Read one file; an `ImageError` says why it cannot be read, `where` which file it is."""
        file = self.file(number)
        return self.containers[file.container].read(file)

    def open(self, number: int) -> IO[bytes]:
        """Open a document as a stream."""
        file = self.file(number)
        try:
            return self.containers[file.container].open(file)
        except ImageError as error:
            raise ArchiveError(f"{self.where(number)}: {error}") from error

    def where(self, number: int) -> str:
        """The location of a file for messages: container and name."""
        file = self.file(number)
        return printable(f"{self.containers[file.container].path}/{os.fsdecode(file.name)}")


def is_image(name: str) -> bool:
    """Whether a file is an image, by its suffix."""
    return name[name.rfind(".") :].lower() in SUFFIXES


def _file_type(width: int) -> np.dtype:
    kinds = {
        "container": "i4",
        "name": f"S{width}",
        "position": "i8",
        "packed": "i8",
        "size": "i8",
        "crc": "u4",
        "method": "i4",
    }
    return np.dtype(list(kinds.items()))


def _containers(path: Path) -> Iterator[tuple[Path, Callable[[], Container]]]:
    """The containers of a path, to be opened, packed ones first, because their CRCs are known without reading."""
    if _is_folder(path):
        yield from ((found, partial(_open_packed, found)) for found in sorted(_packed_files(path)))
        yield path, partial(Folder, path)
    elif path.name.lower().endswith(PACKED):
        yield path, partial(_open_packed, path)
    else:
        raise ArchiveError(f"{path} is not an archive: give its folder, a zip or an npz")


def _is_folder(path: Path) -> bool:
    try:
        refuse_nul(path)
        return stat.S_ISDIR(path.stat().st_mode)
    except OSError as error:
        raise ArchiveError(
            f"cannot read {path}: {system_reason(error)}; PATH is the folder or the zip of the archive"
        ) from error


def _packed_files(path: Path) -> Iterator[Path]:
    return (Path(entry.path) for entry in walk(path) if entry.name.lower().endswith(PACKED))


def _open_packed(path: Path) -> Zip | Npz:
    return Npz(path) if path.name.lower().endswith(".npz") else Zip(path)
