"""What holds files: a folder, or a zip that is read in place and never unpacked to disk.

Zip directories are read here with `struct`, because `zipfile` keeps half a kilobyte of private memory for each
member and must not be shared by threads. Refused, with a message: names that lead outside, encrypted or unknown
compression, directories cut short, members that claim more than they can hold (zip bombs).
"""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, NoReturn, Protocol

from residerm.errors import ArchiveError, ImageError

LARGEST_MEMBER = 2 * 2**30
PACKED = (".zip", ".npz")
STORED, _DEFLATED = 0, 8
_END, _END_64, _LOCATOR_64 = b"PK\5\6", b"PK\6\6", b"PK\6\7"
_IGNORED = ("__MACOSX", "Thumbs.db")


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
    """Something that holds files."""

    path: Path

    def files(self, number: int) -> Iterator[File]:
        """All files in it."""

    def open(self, file: File) -> IO[bytes]:
        """One file, as a stream."""

    def read(self, file: File) -> bytes:
        """One file, whole."""


def is_ignored(name: str) -> bool:
    """Whether a name is hidden or a dropping of an operating system."""
    return name in _IGNORED or name.startswith(".")


def cannot_list(error: OSError) -> NoReturn:
    """What `os.walk` calls for a folder that it cannot list."""
    raise ArchiveError(f"cannot list {error.filename}: {error.strerror}; give this user permission to read it")


class Folder:
    """Files as they lie in a folder."""

    def __init__(self, path: Path) -> None:
        """Remember the folder."""
        self.path = path

    def files(self, number: int) -> Iterator[File]:
        """All files below the folder in a fixed order, without hidden ones and without the zips."""
        for folder, inner, names in os.walk(self.path, onerror=cannot_list):
            inner[:] = sorted(name for name in inner if not is_ignored(name))
            for name in sorted(names):
                if not is_ignored(name) and Path(name).suffix.lower() not in PACKED:
                    yield self._file(number, Path(folder, name))

    def _file(self, number: int, path: Path) -> File:
        try:
            status = path.stat()
            size, changed = status.st_size, status.st_mtime_ns
        except OSError:  # a link that leads nowhere is listed, and fails when it is read
            size, changed = 0, 0
        return File(number, os.fsencode(path.relative_to(self.path)), changed, size, size, 0, 0)

    def open(self, file: File) -> IO[bytes]:
        """One file, as a stream."""
        path = self.path / os.fsdecode(file.name)
        try:
            return path.open("rb")
        except OSError as error:
            raise ImageError(f"cannot be read: {error.strerror}") from error

    def read(self, file: File) -> bytes:
        """One file, whole."""
        with self.open(file) as stream:
            return stream.read()


class Zip:
    """The members of a zip, read by position, from any thread."""

    def __init__(self, path: Path) -> None:
        """Open the zip; its directory is read by `files`."""
        self.path = path
        try:
            self._stream = path.open("rb")
        except OSError as error:
            raise ArchiveError(f"cannot read {path}: {error.strerror}; give this user permission to read it") from error

    def files(self, number: int) -> Iterator[File]:
        """All members but folders and the droppings of operating systems."""
        start, entries = _directory(self._stream, self.path)
        room = os.fstat(self._stream.fileno()).st_size
        self._stream.seek(start)
        for _ in range(entries):
            file = _directory_entry(self._stream, self.path, number)
            room -= file.packed
            if room < 0 or file.size > max(1032 * file.packed, 1024):  # deflate cannot shrink by more than 1:1032
                raise ArchiveError(
                    f"{self.path}: its members claim more than it can hold (a zip bomb?); it is not read"
                )
            parts = os.fsdecode(file.name).split("/")
            if parts[-1] and not any(is_ignored(part) for part in parts):
                yield file

    def read(self, file: File) -> bytes:
        """One member, whole, and checked against its CRC."""
        data = b"".join(self.chunks(file))
        if len(data) != file.size or zlib.crc32(data) != file.crc:
            raise ImageError("its bytes in the zip are damaged (CRC): download the zip again")
        return data

    def open(self, file: File) -> IO[bytes]:
        """One member, inflated to a file without a name."""
        stream = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
        stream.writelines(self.chunks(file))
        stream.seek(0)
        return stream

    def chunks(self, file: File) -> Iterator[bytes]:
        """One member in pieces of bounded size."""
        if file.size > LARGEST_MEMBER:
            raise ImageError(f"it claims {file.size:,} bytes, more than is read from one member of a zip")
        header = os.pread(self._stream.fileno(), 30, file.position)
        if len(header) < 30 or header[:4] != b"PK\3\4":
            raise ImageError("the zip is damaged where it should begin: download the zip again")
        name_length, extra_length = struct.unpack_from("<HH", header, 26)
        position = file.position + 30 + name_length + extra_length
        inflate = zlib.decompressobj(-15) if file.method == _DEFLATED else None
        room = file.size
        for start in range(position, position + file.packed, 2**20):
            data = os.pread(self._stream.fileno(), min(2**20, position + file.packed - start), start)
            try:
                data = inflate.decompress(data, room + 1) if inflate else data
            except zlib.error as error:
                raise ImageError("its bytes in the zip are damaged: download the zip again") from error
            room -= len(data)
            if room < 0:
                raise ImageError("it holds more than the zip's directory says; the zip is not to be trusted")
            yield data


def _directory(stream: IO[bytes], path: Path) -> tuple[int, int]:
    """Where a zip's directory starts, and how many entries it has."""
    size = stream.seek(0, os.SEEK_END)
    tail_start = max(0, size - 65_557 - 20)  # the longest comment, the end record and the zip64 locator before it
    stream.seek(tail_start)
    tail = stream.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < 22:
        raise ArchiveError(f"{path} is cut short or no zip: its directory, at the end, is missing; download it again")
    entries, length, start = struct.unpack_from("<HII", tail, at + 10)
    if 0xFFFF in (entries,) or 0xFFFFFFFF in (length, start):
        if tail[at - 20 : at - 16] != _LOCATOR_64:
            raise ArchiveError(f"{path}: its zip64 directory is missing; download it again")
        stream.seek(struct.unpack_from("<Q", tail, at - 12)[0])
        record = stream.read(56)
        if len(record) < 56 or record[:4] != _END_64:
            raise ArchiveError(f"{path}: its zip64 directory is damaged; download it again")
        entries, _, start = struct.unpack_from("<QQQ", record, 32)
    if start > size:
        raise ArchiveError(f"{path}: its directory lies beyond its end, so it is cut short; download it again")
    return start, entries


def _directory_entry(stream: IO[bytes], path: Path, number: int) -> File:
    """The next entry of a zip's directory."""
    head = stream.read(46)
    if len(head) < 46 or head[:4] != b"PK\1\2":
        raise ArchiveError(f"{path}: its directory is damaged; download it again")
    flags, method = struct.unpack_from("<HH", head, 8)
    crc, packed, size, name_length, extra_length, comment_length = struct.unpack_from("<IIIHHH", head, 16)
    (position,) = struct.unpack_from("<I", head, 42)
    name = stream.read(name_length)
    extra = stream.read(extra_length)
    stream.seek(comment_length, os.SEEK_CUR)
    if 0xFFFFFFFF in (size, packed, position):
        size, packed, position = _wide(extra, size, packed, position)
    if flags & 1 or method not in (STORED, _DEFLATED):
        raise ArchiveError(
            f"{path}: {os.fsdecode(name)} is {'encrypted' if flags & 1 else f'packed by method {method}'}, "
            "which is not read here; unpack the zip and give the folder"
        )
    if not flags & 0x800 and not name.isascii():
        name = _as_utf8(name)
    _refuse_outside(name, path)
    return File(number, name.replace(b"\\", b"/"), position, packed, size, crc, method)


def _wide(extra: bytes, *narrow: int) -> list[int]:
    """The 64-bit values of the zip64 field, for those that do not fit 32 bits."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{length // 8}Q", extra, at + 4))
            return [next(wide, value) if value == 0xFFFFFFFF else value for value in narrow]
        at += 4 + length
    return list(narrow)


def _as_utf8(name: bytes) -> bytes:
    """Names without the UTF-8 flag are code page 437 by the standard, though many tools write UTF-8 all the same."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return name.decode("cp437").encode()
    return name


def _refuse_outside(name: bytes, path: Path) -> None:
    parts = name.replace(b"\\", b"/").split(b"/")
    if b".." in parts or name.startswith((b"/", b"\\")) or name[1:3] in (b":\\", b":/"):
        raise ArchiveError(
            f"{path} holds {os.fsdecode(name)!r}, a name that leads outside of it; an archive as published does not: "
            "it is not read"
        )
