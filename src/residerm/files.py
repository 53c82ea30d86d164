"""Write files and folders atomically, without overwriting anything else.

A file or folder is created under a hidden temporary name next to its final path and renamed at the end, so readers
never see an incomplete one, whatever stops the writer: an error, a full disk, Ctrl-C. After kill -9, there is nothing
under the final name either; only the hidden `.NAME.*.partial` remains. Parent folders are created as needed, and
removed again on failure. Nothing is flushed to disk (no fsync), so the last writes may be lost in a power cut and have
to be repeated. Failures raise a `WriteError` that says how to fix them.

Untrusted files are read with `read_regular`, which neither blocks nor exhausts memory.
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

from residerm.errors import WriteError, system_reason


@contextmanager
def new_file(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary path to write to; it becomes `path` if the block succeeds and is removed otherwise.

    `replace` is for files that residerm itself created and rewrites; a user's file is never replaced.
    """
    with _renamed(path, lambda place: replace or _is_free(place)) as temporary:
        yield temporary


@contextmanager
def new_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder to fill; it becomes `path` if the block succeeds and is removed otherwise.

    `path` may be an existing empty folder; anything else there is refused before work starts, unless `replace` is set
    because residerm itself created it.
    """
    with _renamed(path, lambda place: replace or _is_free(place) or _is_empty_folder(place)) as temporary:
        temporary.mkdir()
        yield temporary


def copy_folder(source: Path, target: Path, omitted: frozenset[str] = frozenset()) -> None:
    """Copy the files of a folder, without some of its entries, to an existing one.

    `shutil.copytree` would go on after an error, such as a full disk, and raise a list of all of them.
    """
    for path in sorted(source.iterdir()):
        if path.name in omitted:
            continue
        if path.is_dir():
            (target / path.name).mkdir()
            copy_folder(path, target / path.name)
        else:
            shutil.copyfile(path, target / path.name)


def refuse_nul(path: Path) -> None:
    """Raise an OSError for a NUL in a path, as for other invalid paths; Python raises a ValueError."""
    if "\0" in os.fspath(path):
        raise OSError(errno.EINVAL, "its name contains a NUL, which no file name can", str(path))


def open_regular(path: Path) -> IO[bytes]:
    """Open a file as a stream; a pipe or a device, which might never end, is an error and does not block."""
    refuse_nul(path)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(0, "it is a pipe or a device, not a file", str(path))


def read_regular(path: Path, most: int) -> bytes:
    """Read a whole file; refuse it if it has more than `most` bytes, whatever size its directory states."""
    with open_regular(path) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(0, f"it has more than {most:,} bytes, the limit", str(path))
    return content


def reserve(file: IO[bytes], size: int) -> None:
    """Allocate a file's disk space before its pages are mapped.

    A full disk is an error here; when writing to a mapped page, it would kill the process (SIGBUS).
    """
    if not hasattr(os, "posix_fallocate"):
        file.truncate(size)
    elif size:  # a size of 0 is refused
        os.posix_fallocate(file.fileno(), 0, size)


def require_writable(path: Path) -> None:
    """Raise an error if a path cannot be written to, before the work whose result goes there."""
    try:
        refuse_nul(path)
        nearest = next(folder for folder in path.absolute().parents if folder.exists())
    except OSError as error:  # a parent folder may not even be readable
        raise write_error(path, error) from error
    if not nearest.is_dir():
        raise write_error(path, NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)))
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise write_error(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def require_new_folder(path: Path) -> None:
    """Raise an error if the path of a new folder is taken or cannot be written to, before the work starts."""
    require_writable(path)
    _require(lambda place: _is_free(place) or _is_empty_folder(place), path.absolute(), path)


def write_error(path: Path, error: OSError) -> WriteError:
    """The error for a failed write: which path, why, and what to do."""
    return WriteError(f"cannot write {path}: {system_reason(error)}")


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
        _require(allowed, place, path)  # it may have been created in the meantime
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
    """Move a non-empty folder that will be replaced aside until the new one is in place."""
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
    """Whether a new folder may replace this one; never the current working directory."""
    return place.is_dir() and not place.is_symlink() and not place.samefile(".") and not any(place.iterdir())


def _concerns(error: OSError, temporary: Path) -> bool:
    """Whether an error concerns the file being written, not one that the block reads."""
    names = [name for name in (error.filename, error.filename2) if isinstance(name, str | bytes | os.PathLike)]
    paths = [Path(os.fsdecode(name)) for name in names]  # two, if a file was copied
    return not paths or any(path.is_relative_to(temporary) or temporary.is_relative_to(path) for path in paths)


def _remove(temporary: Path, made: list[Path]) -> None:
    """Remove what a failed block left behind: the temporary file or folder, then the folders created for it."""
    with suppress(OSError):
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
        for folder in made:
            folder.rmdir()
