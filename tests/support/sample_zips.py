"""Zips, valid and with changed bytes."""

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


def write_zip(path: Path, members: Mapping[str, bytes] = MEMBERS, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a zip."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def list_members(path: Path) -> dict[str, File]:
    """The members of a zip by name."""
    return {os.fsdecode(file.name): file for file in Zip(path).files(3)}


def read_members(path: Path) -> dict[str, bytes]:
    """The contents of all members by name."""
    return {name: Zip(path).read(file) for name, file in list_members(path).items()}


def find_entry(data: bytes, name: bytes) -> int:
    """The position of a member's entry in the directory."""
    at = data.find(b"PK\1\2")
    while data[at + 46 : at + 46 + len(name)] != name:
        at = data.find(b"PK\1\2", at + 1)
        assert at >= 0
    return at


def change_entry(path: Path, name: bytes, offset: int, form: str, *values: int) -> Path:
    """Overwrite values in one entry of the directory."""
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, find_entry(data, name) + offset, *values)
    path.write_bytes(data)
    return path


def zip_many_members(count: int) -> bytes:
    """A zip of empty members without zip64, whose end counts them modulo 2**16, as some tools do."""
    directory, body = io.BytesIO(), io.BytesIO()
    for number in range(count):
        name = b"%06d.jpg" % number
        rest = struct.pack("<5H3I2H", 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0)
        directory.write(b"PK\1\2\x14\0" + rest + struct.pack("<3H2I", 0, 0, 0, 0, body.tell()) + name)
        body.write(b"PK\3\4" + rest + name)
    end = struct.pack("<4H2IH", 0, 0, count % 2**16, count % 2**16, directory.tell(), body.tell(), 0)
    return body.getvalue() + directory.getvalue() + b"PK\5\6" + end
