"""Zips of many kinds, compared with `zipfile`."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sample_zips import (
    FLAGS,
    MEMBERS,
    SIZES,
    change_entry,
    find_entry,
    list_members,
    read_members,
    write_zip,
    zip_many_members,
)
from system_limits import error_without_permissions

from residerm.storage.zips import Zip

# Zips as many tools make them


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_match_zipfile(tmp_path, method):
    path = write_zip(tmp_path / "a.zip", method=method)
    with zipfile.ZipFile(path) as oracle:
        for info in oracle.infolist():
            file = list_members(path)[info.filename]
            assert (file.container, file.packed, file.size) == (3, info.compress_size, info.file_size)
            assert (file.crc, file.position) == (info.CRC, info.header_offset)
            assert Zip(path).read(file) == oracle.read(info)
            with Zip(path).open(file) as stream:
                assert stream.read() == oracle.read(info)


def test_members_larger_than_a_chunk(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, 3 * 2**20 + 7, dtype=np.uint8).tobytes()
    members = {"noise.bin": noise, "zeros.bin": bytes(5 * 2**20 + 3)}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = write_zip(tmp_path / f"{method}.zip", members, method)
        assert read_members(path) == members
        for file in list_members(path).values():
            assert max(map(len, Zip(path).pieces(file))) <= 2**20


def test_real_zips_match_zipfile(real_data):
    path = real_data / "ham10000" / "HAM10000_images_part_1.zip"
    with zipfile.ZipFile(path) as oracle:
        names = oracle.namelist()
        files = list_members(path)
        assert set(files) == set(names)
        assert all(Zip(path).read(files[name]) == oracle.read(name) for name in names[::200])


def test_zip64(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in MEMBERS.items():
            with archive.open(name, "w", force_zip64=True) as stream:
                stream.write(data)
    data = path.read_bytes()
    assert b"PK\6\6" in data
    assert struct.unpack_from("<2I", data, find_entry(data, b"deep/er/b.png") + SIZES) == (0xFFFFFFFF, 0xFFFFFFFF)
    assert read_members(path) == MEMBERS


def test_more_than_65535_members_without_zip64(tmp_path):
    (tmp_path / "a.zip").write_bytes(zip_many_members(65_600))
    names = [file.name for file in Zip(tmp_path / "a.zip").files(0)]
    assert names == [b"%06d.jpg" % number for number in range(65_600)]


@pytest.mark.parametrize("comment", [b"HAM10000", b"x" * 65_535, b"PK\5\6" + b"\xff" * 30, b"ends in PK\5\6"])
def test_zip_comment(tmp_path, comment):
    path = write_zip(tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = comment
    assert read_members(path) == MEMBERS


def test_trailing_bytes_are_ignored(tmp_path):
    path = write_zip(tmp_path / "a.zip")
    path.write_bytes(path.read_bytes() + b"\n" * 100)
    assert read_members(path) == MEMBERS


class Pipe(io.BytesIO):
    """A stream without seeking, so that sizes are in a descriptor after the data."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError

    def seek(self, *_: object) -> int:
        raise OSError


def test_data_descriptors(tmp_path):
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in MEMBERS.items():
            archive.writestr(name, data)
    assert b"PK\7\x08" in pipe.getvalue()
    (tmp_path / "a.zip").write_bytes(pipe.getvalue())
    assert read_members(tmp_path / "a.zip") == MEMBERS


@pytest.mark.parametrize(
    ("flags", "raw", "read"),
    [
        (0x800, "Läsion.jpg".encode(), "Läsion.jpg"),
        (0, "Läsion.jpg".encode(), "Läsion.jpg"),  # UTF-8 that does not say so
        (0, "Läsion.jpg".encode("cp437"), "Läsion.jpg"),
        (0x800, b"L\xe4sion.jpg", os.fsdecode(b"L\xe4sion.jpg")),  # says it is UTF-8 and is not
        (0, b"./a/./b//c.jpg", "a/b/c.jpg"),
        (0, rb"a\b\c.jpg", "a/b/c.jpg"),
    ],
)
def test_member_names(tmp_path, flags, raw, read):
    placeholder = "x" * len(raw)
    data = write_zip(tmp_path / "a.zip", {placeholder: b"pixels"}).read_bytes().replace(placeholder.encode(), raw)
    (tmp_path / "a.zip").write_bytes(data)
    change_entry(tmp_path / "a.zip", raw, FLAGS, "<H", flags)
    assert read_members(tmp_path / "a.zip") == {read: b"pixels"}


def test_folders_and_system_files_are_not_listed(tmp_path):
    names = ["images/", "x.jpg/", "__MACOSX/._a.jpg", ".DS_Store", "deep/.hidden/a.jpg", "Thumbs.db", "a.jpg"]
    assert set(list_members(write_zip(tmp_path / "a.zip", dict.fromkeys(names, b"")))) == {"a.jpg"}


def test_empty_zip(tmp_path):
    assert list_members(write_zip(tmp_path / "a.zip", {})) == {}


# From many threads and processes


def test_threads_share_a_zip(tmp_path):
    members = {f"{number}.jpg": os.urandom(5000 + number) for number in range(200)}
    container = Zip(write_zip(tmp_path / "a.zip", members))
    files = list(container.files(0)) * 5
    with ThreadPoolExecutor(8) as pool:
        for file, data in zip(files, pool.map(container.read, files), strict=True):
            assert data == members[file.name.decode()]


def test_child_process_reads_an_open_zip(tmp_path):
    container = Zip(write_zip(tmp_path / "a.zip"))
    files = list(container.files(0))
    message = error_without_permissions(lambda: [zlib.crc32(container.read(file)) for file in files])
    assert message == f"nothing: it returned {[file.crc for file in files]}"
    assert container.read(files[0]) == MEMBERS["a.jpg"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted in /proc")
def test_zip_is_closed_when_collected(tmp_path):
    path = write_zip(tmp_path / "a.zip")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        read_members(path)
        Zip(path).open(list_members(path)["a.jpg"]).close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
