"""Writing that is whole or not at all, and never over something else.

A file or folder is made under a hidden temporary name beside the place where it belongs and renamed at the end, so
that a reader never meets half of it, whatever stops the writer: an error, a full disk, Ctrl-C. After kill -9 nothing
stands under the final name either; only the hidden `.NAME.*.partial` stays. Folders above are made as needed, and
taken away again if nothing came of it. Nothing is forced to the disk (no fsync): this is no promise against a power
cut, after which what was written last can be made again. Failures come out as `WriteError` with the way out.

Files that somebody else may have put there are read by `read_regular`, which neither hangs nor fills the memory.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from residerm.errors import WriteError, explain


@contextmanager
def new_file(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a temporary path to write to; it becomes `path` when the block ends well and vanishes when it does not.

    `replace` is for files that residerm itself owns and rewrites; a user's file is never replaced.
    """
    with _renamed(path, lambda place: replace or _is_free(place)) as temporary:
        yield temporary


@contextmanager
def new_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a temporary folder to fill; it becomes `path` when the block ends well and vanishes when it does not.

    An empty folder may be in the place already; anything else there is refused before work starts, unless `replace`
    says that it is residerm's own and to be made again.
    """
    with _renamed(path, lambda place: replace or _is_free(place) or _is_empty_folder(place)) as temporary:
        temporary.mkdir()
        yield temporary


def refuse_nul(path: Path) -> None:
    """Raise an OSError for a NUL in a path, like for all else that is wrong with one; Python has a ValueError."""
    if "\0" in os.fspath(path):
        raise OSError(errno.EINVAL, "its name holds a NUL, which no file has", str(path))


def open_regular(path: Path) -> IO[bytes]:
    """A file as a stream; a pipe or a device, which could be read for ever, is an error and is not waited for."""
    refuse_nul(path)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(0, "it is a pipe or a device, not a file", str(path))


def read_regular(path: Path, most: int) -> bytes:
    """A file, whole, if it has no more bytes than this, whatever its directory says of its size."""
    with open_regular(path) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(0, f"it has more than {most:,} bytes, the most that is read", str(path))
    return content


def reserve(file: IO[bytes], size: int) -> None:
    """Take a file's room on the disk before its pages are mapped.

    A full disk is an error here; when it is met only while writing to a mapped page, it kills the process (SIGBUS).
    """
    if not hasattr(os, "posix_fallocate"):
        file.truncate(size)
    elif size:  # which it refuses to be nothing
        os.posix_fallocate(file.fileno(), 0, size)


def require_writable(path: Path) -> None:
    """Refuse a place that could not be written to, before the work whose result belongs there."""
    try:
        refuse_nul(path)
        nearest = next(folder for folder in path.absolute().parents if folder.exists())
    except OSError as error:  # a folder above may not even be looked into
        raise write_error(path, error) from error
    if not nearest.is_dir():
        raise write_error(path, NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise write_error(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def require_new_folder(path: Path) -> None:
    """Refuse a place for a new folder that is taken or cannot be written to, before the work begins."""
    require_writable(path)
    _require(lambda place: _is_free(place) or _is_empty_folder(place), path.absolute(), path)


def write_error(path: Path, error: OSError) -> WriteError:
    """The message for a failed write: which path, why, and what to do."""
    return WriteError(f"cannot write {path}: {explain(error)}")


@contextmanager
def _renamed(path: Path, allowed: Callable[[Path], bool]) -> Iterator[Path]:
    try:
        refuse_nul(path)
    except OSError as error:
        raise write_error(path, error) from error
    place = path.absolute()
    temporary = place.parent / f".{place.name}.{uuid.uuid4().hex[:8]}.partial"
    made: list[Path] = []
    try:
        _require(allowed, place, path)
        made = [folder for folder in place.parents if not folder.exists()]
        place.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _require(allowed, place, path)  # it may have been put there in the meantime
        with _out_of_the_way(place):
            temporary.replace(place)
        made = []
    except OSError as error:
        if _concerns(error, temporary):
            raise write_error(path, error) from error
        raise
    finally:
        _remove(temporary, made)


@contextmanager
def _out_of_the_way(place: Path) -> Iterator[None]:
    """Where a filled folder is to be replaced, keep it beside its place until the new one is there."""
    if not place.is_dir() or _is_empty_folder(place):
        yield
        return
    old = place.parent / f".{place.name}.{uuid.uuid4().hex[:8]}.partial"
    place.rename(old)
    try:
        yield
    except OSError:
        old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _require(allowed: Callable[[Path], bool], place: Path, path: Path) -> None:
    if not allowed(place):
        raise WriteError(f"{path} already exists and is not overwritten: choose another name, or remove it first")


def _is_free(place: Path) -> bool:
    return not os.path.lexists(place)


def _is_empty_folder(place: Path) -> bool:
    """Whether a new folder may take the place of this one; never of the one that the user stands in."""
    return place.is_dir() and not place.is_symlink() and not place.samefile(".") and not any(place.iterdir())


def _concerns(error: OSError, temporary: Path) -> bool:
    """Whether an error is about what is written here, not about a file that the block reads."""
    if not isinstance(error.filename, str | bytes | os.PathLike):
        return True
    named = Path(os.fsdecode(error.filename))
    return named.is_relative_to(temporary) or temporary.is_relative_to(named)


def _remove(temporary: Path, made: list[Path]) -> None:
    """Take away what a failed block has left: the temporary file or folder, then the folders made for it."""
    with suppress(OSError):
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
        for folder in made:
            folder.rmdir()
