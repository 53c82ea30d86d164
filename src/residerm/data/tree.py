"""Every file under a path, packed or unpacked, as one table: readers of archives need not know which it is.

The table lies in a file without a name (see `paged`), so that private memory does not grow with the archive.
"""

from __future__ import annotations

import fnmatch
import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from residerm.data.containers import PACKED, Container, File, Folder, Zip, cannot_list, is_ignored
from residerm.data.npz import Npz
from residerm.errors import ArchiveError
from residerm.preprocess import SUFFIXES


def paged(rows: int, dtype: np.dtype) -> np.ndarray:
    """A table in a file without a name: the kernel may drop its pages and read them again; it vanishes by itself."""
    if rows == 0:
        return np.zeros(0, dtype)
    with tempfile.TemporaryFile() as file:
        file.truncate(rows * dtype.itemsize)
        return np.memmap(file, dtype, mode="r+", shape=(rows,))


def from_query(database: sqlite3.Connection, query: str, dtype: np.dtype, rows: int) -> np.ndarray:
    """The rows of a query as a paged table."""
    table = paged(rows, dtype)
    cursor = database.execute(query)
    for start in range(0, rows, 2048):
        chunk = cursor.fetchmany(2048)
        table[start : start + len(chunk)] = chunk
    return table


def scratch_database() -> sqlite3.Connection:
    """An SQLite database in a file without a name, with a page cache of half a megabyte."""
    database = sqlite3.connect("", isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-512", "temp_store=FILE"):
        database.execute(f"PRAGMA {pragma}")
    return database


def printable(name: str) -> str:
    """A file name for messages and tables: bytes that are not UTF-8 become question marks."""
    return name.encode(errors="replace").decode()


def stem(name: str) -> str:
    """A file's name without folders and suffix: the image id of every ISIC archive."""
    return PurePosixPath(name).stem


def is_image(name: str) -> bool:
    """Whether a file is an image, by its suffix."""
    return name[name.rfind(".") :].lower() in SUFFIXES


class Tree:
    """The files under a path. `files` is a table with the fields of `File`; `read(number)` gives one file's bytes."""

    def __init__(self, path: Path) -> None:
        """List everything under the path; no image is read."""
        self.path = path
        self.containers = list(_containers(path))
        with scratch_database() as database:
            database.execute("CREATE TABLE file (container, name BLOB, position, packed, size, crc, method)")
            for number, container in enumerate(self.containers):
                database.executemany("INSERT INTO file VALUES (?,?,?,?,?,?,?)", container.files(number))
            rows, width = database.execute("SELECT count(*), coalesce(max(length(name)), 1) FROM file").fetchone()
            self.files = from_query(database, "SELECT * FROM file ORDER BY rowid", _file_type(width), rows)
        database.close()

    def __len__(self) -> int:
        return len(self.files)

    def file(self, number: int) -> File:
        """One line of the table."""
        return File(*self.files[number].item())

    def names(self) -> Iterator[tuple[int, str]]:
        """Number and name of every file, as text; bytes that are not UTF-8 are kept as surrogates."""
        for number, name in enumerate(self.files["name"]):
            yield number, os.fsdecode(bytes(name))

    def find(self, *patterns: str) -> list[int]:
        """Numbers of the documents whose base name matches one of the patterns (`*`, `?`), without regard to case."""
        matches = re.compile("|".join(fnmatch.translate(pattern.lower()) for pattern in patterns)).match
        return [number for number, name in self.documents if matches(name.rpartition("/")[2].lower())]

    @cached_property
    def documents(self) -> list[tuple[int, str]]:
        """The files that are no images: tables, and whatever else there is."""
        return [(number, name) for number, name in self.names() if not is_image(name)]

    @property
    def images(self) -> Iterator[tuple[int, str]]:
        """Number and name of every image."""
        return ((number, name) for number, name in self.names() if is_image(name))

    def read(self, number: int) -> bytes:
        """The bytes of one file."""
        file = self.file(number)
        return self.containers[file.container].read(file)

    def open(self, number: int) -> IO[bytes]:
        """A stream of one file, for tables."""
        file = self.file(number)
        return self.containers[file.container].open(file)

    def where(self, number: int) -> str:
        """Where a file lies, for messages: container and name."""
        file = self.file(number)
        return printable(f"{self.containers[file.container].path}/{os.fsdecode(file.name)}")


def _file_type(width: int) -> np.dtype:
    return np.dtype(
        [("container", "i4"), ("name", f"S{width}"), ("position", "i8"), ("packed", "i8")]
        + [("size", "i8"), ("crc", "u4"), ("method", "i4")]
    )


def _containers(path: Path) -> Iterator[Container]:
    """The containers of a path, packed ones first: their CRCs are known without reading."""
    if not path.exists():
        raise ArchiveError(f"{path} does not exist: PATH is the folder or the zip that holds the archive")
    if path.is_file():
        if path.suffix.lower() not in PACKED:
            raise ArchiveError(f"{path} is a file of a kind that holds no archive: give its folder, a zip, npz or csv")
        yield _PACKED[path.suffix.lower()](path)
        return
    yield from (_PACKED[found.suffix.lower()](found) for found in sorted(_packed_files(path)))
    yield Folder(path)


def _packed_files(path: Path) -> Iterator[Path]:
    for folder, inner, names in os.walk(path, onerror=cannot_list):
        inner[:] = [name for name in inner if not is_ignored(name)]
        yield from (
            Path(folder, name) for name in names if Path(name).suffix.lower() in PACKED and not name.startswith(".")
        )


_PACKED: dict[str, type[Zip] | type[Npz]] = {".zip": Zip, ".npz": Npz}
