"""Unnamed temporary files, for data that must not use private memory; they are removed automatically.

They are in the temporary folder (TMPDIR) and disappear with the process, even after kill -9; the kernel may drop their
pages and read them again. If the temporary folder is full, a `WriteError` says so.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from typing import IO, Any, Literal

import numpy as np

from residerm.errors import WriteError, system_reason
from residerm.files import reserve

_ROWS_AT_ONCE = 256  # Python never releases the memory of more
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


def scratch_file(pieces: Iterable[bytes]) -> IO[bytes]:
    """A file with these pieces, positioned at its start; the caller closes it."""
    try:
        stream = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            stream.writelines(pieces)
            stream.seek(0)
        except BaseException:
            with suppress(OSError):  # the rest of the buffer does not fit either
                stream.close()
            raise
    except OSError as error:
        raise _no_room(system_reason(error)) from error
    return stream


def paged(rows: int, dtype: np.dtype) -> np.ndarray:
    """An array of zeros in a mapped file."""
    if rows == 0:
        return np.zeros(0, dtype)
    try:
        with tempfile.TemporaryFile() as file:
            reserve(file, rows * dtype.itemsize)
            return np.memmap(file, dtype, mode="r+", shape=(rows,))
    except OSError as error:
        raise _no_room(system_reason(error)) from error


def scratch_database() -> sqlite3.Connection:
    """An SQLite database with a page cache of a quarter of a megabyte; a `with` block closes it."""
    database = sqlite3.connect("", isolation_level=None, factory=_ScratchDatabase)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-256", "temp_store=FILE"):
        database.execute(f"PRAGMA {pragma}")
    return database


def from_query(database: sqlite3.Connection, query: str, dtype: np.dtype, rows: int) -> np.ndarray:
    """The rows of a query as a mapped array."""
    table = paged(rows, dtype)
    cursor = database.execute(query)
    for start in range(0, rows, _ROWS_AT_ONCE):
        chunk = cursor.fetchmany(_ROWS_AT_ONCE)
        table[start : start + len(chunk)] = chunk
    return table


class _ScratchDatabase(sqlite3.Connection):
    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> Literal[False]:
        self.close()
        if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in _NO_ROOM:
            raise _no_room(str(error)) from error
        return False


def _no_room(reason: str) -> WriteError:
    place = f" in {tempfile.tempdir}" if tempfile.tempdir else ""
    return WriteError(f"cannot write temporary files{place}: {reason}; set TMPDIR to another folder")
