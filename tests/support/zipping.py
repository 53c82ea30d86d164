"""Zips to read, and bytes of them to change."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

from residerm.storage.containers import File
from residerm.storage.zips import Zip

FLAGS, CRC, SIZES, POSITION = 8, 16, 20, 42  # where they are in an entry of the directory
MEMBERS = {
    "a.jpg": b"pixels" * 50,
    "deep/er/b.png": bytes(range(256)) * 9,
    "table.csv": b"image,dx\n",
    "empty.jpg": b"",
}


def packed(path: Path, members: Mapping[str, bytes] = MEMBERS, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a zip."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def listed(path: Path) -> dict[str, File]:
    """Its members, by their names."""
    return {os.fsdecode(file.name): file for file in Zip(path).files(3)}


def contents(path: Path) -> dict[str, bytes]:
    """All that is in it."""
    return {name: Zip(path).read(file) for name, file in listed(path).items()}


def entry(data: bytes, name: bytes) -> int:
    """Where a member's entry in the directory starts."""
    at = data.find(b"PK\1\2")
    while data[at + 46 : at + 46 + len(name)] != name:
        at = data.find(b"PK\1\2", at + 1)
        assert at >= 0
    return at


def changed(path: Path, name: bytes, offset: int, form: str, *values: int) -> Path:
    """The zip with other values in one entry of its directory."""
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, entry(data, name) + offset, *values)
    path.write_bytes(data)
    return path


def many(count: int) -> bytes:
    """A zip of empty members without zip64, whose end counts them modulo 2**16, as some tools do."""
    directory, body = io.BytesIO(), io.BytesIO()
    for number in range(count):
        name = b"%06d.jpg" % number
        rest = struct.pack("<5H3I2H", 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0)
        directory.write(b"PK\1\2\x14\0" + rest + struct.pack("<3H2I", 0, 0, 0, 0, body.tell()) + name)
        body.write(b"PK\3\4" + rest + name)
    end = struct.pack("<4H2IH", 0, 0, count % 2**16, count % 2**16, directory.tell(), body.tell(), 0)
    return body.getvalue() + directory.getvalue() + b"PK\5\6" + end
