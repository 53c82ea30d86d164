"""Writing that is whole or not at all, and never over something else.

A file or folder is made under a temporary name in the directory where it belongs and renamed at the end, so that a
reader, a crash or a full disk never meets half of it. Failures come out as `WriteError` with the way out.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from residerm.errors import WriteError

_WAYS_OUT = {
    errno.ENOSPC: "the disk is full; make room or choose another place",
    errno.EDQUOT: "the disk quota is used up; make room or choose another place",
    errno.EACCES: "no permission to write there; choose another place",
    errno.EPERM: "no permission to write there; choose another place",
    errno.EROFS: "that file system is read-only; choose another place",
    errno.ENOTDIR: "a part of that path is a file, not a folder",
    errno.EFBIG: "the file would be larger than is allowed there; choose another place",
}


def write_error(path: Path, error: OSError) -> WriteError:
    """The message for a failed write: which path, why, and what to do."""
    return WriteError(f"cannot write {path}: {_WAYS_OUT.get(error.errno or 0, error.strerror or str(error))}")


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise WriteError(f"{path} is already there and is not overwritten: choose another name, or remove it first")


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")


@contextmanager
def new_file(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a temporary path to write to; it becomes `path` when the block ends well and vanishes when it does not.

    `replace` is for files that residerm itself owns and rewrites; a user's file is never replaced.
    """
    if not replace:
        _refuse_existing(path)
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder to fill; it becomes `path` when the block ends well and vanishes when it does not.

    An empty folder may be in the place already; anything else there is refused before work starts.
    """
    if not (path.is_dir() and not any(path.iterdir())):
        _refuse_existing(path)
    temporary = _temporary(path)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        os.rename(temporary, path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
