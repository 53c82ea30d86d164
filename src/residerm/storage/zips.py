"""Zips as containers: read in place, from any thread or process, and never unpacked to disk.

The directory is read here with `struct`, because `zipfile` uses half a kilobyte of private memory for each member and a
file position that all threads would share; members are read with `os.pread`. The format is PKWARE's APPNOTE.TXT,
sections 4.3 to 4.5. The following are refused with a message: names that lead outside, encryption, compression other
than deflate, cut directories, and zip bombs: the ratio of deflate is at most 1:1032, and members may not overlap,
so nothing inflates to more than 1032 times the size of the file.
"""

from __future__ import annotations

import os
import re
import struct
import weakref
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from residerm.errors import ArchiveError, ImageError, printable, system_reason
from residerm.storage.containers import File, is_ignored, refuse_giant
from residerm.storage.scratch import scratch_file

LARGEST_MEMBER = 2 * 2**30
STORED, _DEFLATED = 0, 8
_PIECE = 2**20

_HEADER = struct.Struct("<4s5H3I2H")  # precedes each member; its name and sizes are not trusted
_ENTRY = struct.Struct("<4s6H3I5H2I")  # a member's entry in the directory
_END = struct.Struct("<4s4H2IH")  # where the directory is
_END_64 = struct.Struct("<4sQ2H2I4Q")  # the same for large zips
_LOCATOR_64 = struct.Struct("<4sIQI")  # where its end record is
_LEADS_OUTSIDE = re.compile(rb"/|[A-Za-z]:/|(.*/)?\.\.(/|\Z)", re.DOTALL)


class Zip:
    """The members of a zip."""

    def __init__(self, path: Path) -> None:
        """Open the zip; its directory is read by `files`. It is closed when this object is garbage-collected."""
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise ArchiveError(f"cannot read {path}: {system_reason(error)}") from error
        weakref.finalize(self, os.close, self._descriptor)

    def files(self, number: int) -> Iterator[File]:
        """Iterate over all members except folders and files created by operating systems."""
        try:
            with self.path.open("rb") as stream:
                yield from _files(stream, number)
        except OSError as error:
            raise ArchiveError(f"cannot read {self.path}: {system_reason(error)}") from error
        except _Refused as error:
            raise ArchiveError(f"{self.path} {error}") from error

    def read(self, file: File) -> bytes:
        """One member, whole."""
        refuse_giant(file)
        return b"".join(self.pieces(file))

    def open(self, file: File) -> IO[bytes]:
        """One member, inflated to an unnamed temporary file."""
        if file.size > LARGEST_MEMBER:
            raise ImageError(f"it claims {file.size:,} bytes; at most {LARGEST_MEMBER:,} are read")
        return scratch_file(self.pieces(file))

    def pieces(self, file: File) -> Iterator[bytes]:
        """Iterate over a member in pieces of about a megabyte, checking its size and CRC at the end."""
        size, crc = 0, 0
        for piece in self._inflated(file):
            size += len(piece)
            if size > file.size:
                raise ImageError("it is larger than the zip's directory says: the zip is not trustworthy")
            crc = zlib.crc32(piece, crc)
            yield piece
        if (size, crc) != (file.size, file.crc):
            raise ImageError("its bytes in the zip are damaged (size or CRC): download the zip again")

    def _inflated(self, file: File) -> Iterator[bytes]:
        if file.method == STORED:
            yield from self._packed(file)
            return
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            for packed in self._packed(file):
                while packed:
                    yield inflate.decompress(packed, _PIECE)
                    packed = inflate.unconsumed_tail
            yield inflate.flush()
        except zlib.error as error:
            raise ImageError("its bytes in the zip are damaged: download the zip again") from error

    def _packed(self, file: File) -> Iterator[bytes]:
        """The compressed bytes of one member, which follow its own header in the file."""
        try:
            header = os.pread(self._descriptor, _HEADER.size, file.position)
            if len(header) < _HEADER.size or header[:4] != b"PK\3\4":
                raise ImageError("the zip is damaged where it should begin: download the zip again")
            *_, name_length, extra_length = _HEADER.unpack(header)
            start = file.position + _HEADER.size + name_length + extra_length
            for done in range(0, file.packed, _PIECE):
                yield os.pread(self._descriptor, min(_PIECE, file.packed - done), start + done)
        except OSError as error:
            raise ImageError(f"it cannot be read: {system_reason(error)}") from error


class _Refused(Exception):
    """The reason why a zip is not read, appended to its path."""


def _files(stream: IO[bytes], number: int) -> Iterator[File]:
    start, end, entries = _directory(stream)
    stream.seek(start)
    room, found = start, 0
    while stream.tell() < end:
        file, flags = _entry(stream, number)
        found += 1
        room -= file.packed
        if room < 0 or file.size > max(1032 * file.packed, 1024) or file.position + file.packed > start:
            raise _Refused("has members that claim more than it can contain (a zip bomb?): it is not read")
        if file.name and not any(map(is_ignored, os.fsdecode(file.name).split("/"))):
            _require_readable(file, flags)
            yield file
    if stream.tell() != end or (found - entries) % 2**16:  # many tools count modulo 2**16
        raise _Refused("has a damaged directory: download it again")


def _directory(stream: IO[bytes]) -> tuple[int, int, int]:
    """Where a zip's directory starts and ends, and how many entries it claims to have."""
    room = stream.seek(0, os.SEEK_END)
    first = max(0, room - 2**16 - _END.size - _LOCATOR_64.size)
    stream.seek(first)
    tail = stream.read()
    at = _end_record(tail)
    _, disk, _, _, entries, length, start, _ = _END.unpack_from(tail, at)
    if disk not in (0, 0xFFFF):
        raise _Refused("is the last part of a multi-part zip: join the parts")
    if tail[max(at - _LOCATOR_64.size, 0) : at].startswith(b"PK\6\7"):
        start, length, entries = _directory_64(stream, _LOCATOR_64.unpack_from(tail, at - _LOCATOR_64.size)[2], room)
    if start + length > first + at:
        raise _Refused("has a directory beyond its end: it is truncated, download it again")
    return start, start + length, entries


def _end_record(tail: bytes) -> int:
    """Where the end record starts: the last one whose comment fits, because a comment may contain its signature."""
    at = tail.rfind(b"PK\5\6", 0, 4 - _END.size)
    while at >= 0 and at + _END.size + _END.unpack_from(tail, at)[-1] > len(tail):
        at = tail.rfind(b"PK\5\6", 0, at + 3)
    if at < 0:
        raise _Refused("is truncated or not a zip, because the directory at its end is missing: download it again")
    return at


def _directory_64(stream: IO[bytes], at: int, room: int) -> tuple[int, int, int]:
    stream.seek(min(at, room))
    record = stream.read(_END_64.size)
    if len(record) < _END_64.size or record[:4] != b"PK\6\6":
        raise _Refused("has a damaged zip64 directory: download it again")
    *_, entries, length, start = _END_64.unpack(record)
    return start, length, entries


def _entry(stream: IO[bytes], number: int) -> tuple[File, int]:
    """The next entry of a zip's directory, and its flags."""
    head = stream.read(_ENTRY.size)
    if len(head) < _ENTRY.size or head[:4] != b"PK\1\2":
        raise _Refused("has a damaged directory: download it again")
    _, _, _, flags, method, _, _, crc, packed, size, *lengths, _, _, _, position = _ENTRY.unpack(head)
    name, extra, _ = (stream.read(length) for length in lengths)
    if 0xFFFFFFFF in (size, packed, position):
        size, packed, position = _wide(extra, size, packed, position)
    name = (name if flags & 0x800 else _as_utf8(name)).replace(b"\\", b"/")
    if _LEADS_OUTSIDE.match(name):
        raise _Refused(f"contains {printable(os.fsdecode(name))}, a name that leads outside: it is not read")
    return File(number, _plain(name), position, packed, size, crc, method), flags


def _wide(extra: bytes, *narrow: int) -> list[int]:
    """The 64-bit values of the zip64 field, for those that do not fit into 32 bits."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        field = extra[at + 4 : at + 4 + length]
        if kind == 1:
            wide = iter(struct.unpack(f"<{len(field) // 8}Q", field[: len(field) // 8 * 8]))
            return [next(wide, value) if value == 0xFFFFFFFF else value for value in narrow]
        at += 4 + length
    return list(narrow)


def _as_utf8(name: bytes) -> bytes:
    """Convert a name without the UTF-8 flag: it is code page 437 by the standard, but many tools write UTF-8 anyway."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return name.decode("cp437").encode()
    return name


def _plain(name: bytes) -> bytes:
    """A name without redundant parts, such as a leading `./`; empty for a folder."""
    if name.endswith(b"/"):
        return b""
    return b"/".join(part for part in name.split(b"/") if part not in (b"", b"."))


def _require_readable(file: File, flags: int) -> None:
    reason = "encrypted" if flags & 1 else f"packed by method {file.method}"
    if flags & 1 or file.method not in (STORED, _DEFLATED):
        name = printable(os.fsdecode(file.name))
        raise _Refused(f"contains {name}, which is {reason}: unpack the zip and give the folder")
