"""Damaged and malicious zips are refused with one message."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sample_zips import CRC, FLAGS, MEMBERS, POSITION, SIZES, change_entry, list_members, read_members, write_zip
from system_limits import error_without_permissions, folder_for_all, tiny_disk

from residerm.errors import ArchiveError, ImageError, WriteError
from residerm.storage import zips
from residerm.storage.zips import Zip

# Damaged


def error_of_opening(path: Path) -> str:
    with pytest.raises(ArchiveError) as error:
        list_members(path)
    assert str(error.value).startswith(f"{path} ")
    return str(error.value).removeprefix(f"{path} ")


def error_of_reading(path: Path, name: str = "a.jpg") -> str:
    """The error of reading a member; the others can be read."""
    files = list_members(path)
    with pytest.raises(ImageError) as error:
        Zip(path).read(files.pop(name))
    for other, file in files.items():
        assert Zip(path).read(file) == MEMBERS[other]
    return str(error.value)


@pytest.mark.parametrize("kept", [0, 1, 20, 0.5, 0.99, -1])
def test_truncated_end(tmp_path, kept):
    path = write_zip(tmp_path / "a.zip")
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    assert (
        error_of_opening(path)
        == "is truncated or not a zip, because the directory at its end is missing: download it again"
    )


def test_truncated_middle(tmp_path):
    path = write_zip(tmp_path / "a.zip")
    data = path.read_bytes()
    path.write_bytes(data[:40] + data[80:])
    assert error_of_opening(path) == "has a directory beyond its end: it is truncated, download it again"


def test_text_file_named_zip(tmp_path):
    (tmp_path / "a.zip").write_text("404 not found\n" * 500)
    assert "is truncated or not a zip" in error_of_opening(tmp_path / "a.zip")


def test_damaged_directory(tmp_path):
    path = write_zip(tmp_path / "a.zip")
    change_entry(path, b"deep/er/b.png", 0, "<I", 0)
    assert error_of_opening(path) == "has a damaged directory: download it again"


@pytest.mark.parametrize("count", [3, 5])
def test_wrong_member_count(tmp_path, count):
    path = write_zip(tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    struct.pack_into("<2H", data, len(data) - 14, count, count)
    path.write_bytes(data)
    assert error_of_opening(path) == "has a damaged directory: download it again"


def test_last_of_several_parts(tmp_path):
    path = write_zip(tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    struct.pack_into("<2H", data, len(data) - 18, 3, 3)
    path.write_bytes(data)
    assert error_of_opening(path) == "is the last part of a multi-part zip: join the parts"


def test_damaged_zip64_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    path = write_zip(tmp_path / "a.zip")
    path.write_bytes(path.read_bytes().replace(b"PK\6\6", b"PK\6\0"))
    assert error_of_opening(path) == "has a damaged zip64 directory: download it again"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damaged_member(tmp_path, method):
    path = write_zip(tmp_path / "a.zip", method=method)
    data = bytearray(path.read_bytes())
    at = list_members(path)["a.jpg"].position + 30 + len("a.jpg")
    data[at + 3] ^= 0x40
    path.write_bytes(data)
    assert error_of_reading(path).startswith("its bytes in the zip are damaged")
    assert error_of_reading(path).endswith("download the zip again")
    with pytest.raises(ImageError, match="its bytes in the zip are damaged"):
        Zip(path).open(list_members(path)["a.jpg"])


def test_wrong_crc(tmp_path):
    path = change_entry(write_zip(tmp_path / "a.zip"), b"a.jpg", CRC, "<I", 1)
    assert error_of_reading(path) == "its bytes in the zip are damaged (size or CRC): download the zip again"


def test_wrong_member_offset(tmp_path):
    path = change_entry(write_zip(tmp_path / "a.zip"), b"a.jpg", POSITION, "<I", 7)
    assert error_of_reading(path) == "the zip is damaged where it should begin: download the zip again"


def test_zip_truncated_while_open(tmp_path):
    path = write_zip(tmp_path / "a.zip")
    container = Zip(path)
    file = next(container.files(0))
    with path.open("r+b") as stream:
        stream.truncate(40)
    with pytest.raises(ImageError, match="damaged"):
        container.read(file)


def test_random_damage_is_an_error(tmp_path):
    whole = write_zip(tmp_path / "a.zip").read_bytes()
    random = np.random.default_rng(0)
    directory = whole.find(b"PK\1\2")
    outcomes = set()
    for number in range(2000):
        data = bytearray(whole)
        for place in random.integers(directory if number % 2 else 0, len(data), random.integers(1, 4)):
            data[place] = random.choice([0, 1, 0xFF, random.integers(256)])
        path = tmp_path / "damaged.zip"
        path.write_bytes(data)
        try:
            outcomes.add(type(list(read_members(path))))
        except (ArchiveError, ImageError) as error:
            outcomes.add(type(error))
    assert outcomes == {list, ArchiveError, ImageError}


# Meant to do harm, or of another kind


@pytest.mark.parametrize(
    "name", ["../a.jpg", "a/../../b.jpg", "/etc/passwd", "..", r"..\a.jpg", r"\a.jpg", r"C:\a.jpg", "c:/a.jpg", "../"]
)
def test_names_outside_the_archive(tmp_path, name):
    message = error_of_opening(write_zip(tmp_path / "a.zip", {"b.jpg": b"", name: b""}))
    shown = name.replace("\\", "/")
    assert message == f"contains {shown}, a name that leads outside: it is not read"


def test_names_with_dots(tmp_path):
    names = {"a..b/c...jpg", "b..jpg", "c:d.jpg"}
    assert set(list_members(write_zip(tmp_path / "a.zip", dict.fromkeys(names, b"")))) == names


BOMB = "has members that claim more than it can contain (a zip bomb?): it is not read"


def test_impossible_compression_ratio(tmp_path):
    path = write_zip(tmp_path / "a.zip")
    size = list_members(path)["a.jpg"].packed * 1033
    assert error_of_opening(change_entry(path, b"a.jpg", SIZES + 4, "<I", size)) == BOMB


def test_overlapping_members(tmp_path):
    """A zip bomb whose directory entries all refer to the same bytes."""
    kernel = bytes(2**20)
    path = write_zip(tmp_path / "a.zip", {"0000": kernel})
    data = path.read_bytes()
    start = data.find(b"PK\1\2")
    one = data[start : data.find(b"PK\5\6")]
    entries = b"".join(one[:46] + b"%04d" % number for number in range(500))
    end = struct.pack("<4H2IH", 0, 0, 500, 500, len(entries), start, 0)
    path.write_bytes(data[:start] + entries + b"PK\5\6" + end)
    with zipfile.ZipFile(path) as oracle:
        assert sum(info.file_size for info in oracle.infolist()) == 500 * 2**20
    assert error_of_opening(path) == BOMB


def test_member_beyond_the_end(tmp_path):
    path = write_zip(tmp_path / "a.zip")
    assert error_of_opening(change_entry(path, b"a.jpg", POSITION, "<I", 2**31)) == BOMB


@pytest.mark.parametrize("claimed", [0, 1, 299])
def test_member_larger_than_declared(tmp_path, claimed):
    path = change_entry(write_zip(tmp_path / "a.zip"), b"a.jpg", SIZES + 4, "<I", claimed)
    assert error_of_reading(path) == "it is larger than the zip's directory says: the zip is not trustworthy"


def test_decompression_stops_at_the_declared_size(tmp_path):
    path = change_entry(write_zip(tmp_path / "a.zip", {"a.jpg": bytes(200 * 2**20)}), b"a.jpg", SIZES + 4, "<I", 1000)
    container = Zip(path)
    pieces = container.pieces(next(container.files(0)))
    with pytest.raises(ImageError, match="it is larger than"):
        next(pieces)


def test_member_smaller_than_declared(tmp_path):
    path = change_entry(write_zip(tmp_path / "a.zip"), b"a.jpg", SIZES + 4, "<I", 301)
    assert error_of_reading(path) == "its bytes in the zip are damaged (size or CRC): download the zip again"


def test_oversized_members_are_refused(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "a.zip")
    file = list_members(path)["a.jpg"]
    with pytest.raises(ImageError, match="it claims 536,870,913 bytes; an image has at most 268,435,456"):
        Zip(path).read(file._replace(size=2**29 + 1))
    monkeypatch.setattr(zips, "LARGEST_MEMBER", 299)
    with pytest.raises(ImageError, match="it claims 300 bytes; at most 299 are read"):
        Zip(path).open(file)


def test_encrypted_member(tmp_path):
    path = change_entry(write_zip(tmp_path / "a.zip"), b"a.jpg", FLAGS, "<H", 1)
    assert error_of_opening(path) == "contains a.jpg, which is encrypted: unpack the zip and give the folder"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unsupported_compression(tmp_path, method):
    message = error_of_opening(write_zip(tmp_path / "a.zip", method=method))
    reason = f"contains a.jpg, which is packed by method {method}"
    assert message == f"{reason}: unpack the zip and give the folder"


def test_missing_permission():
    with folder_for_all() as folder:
        write_zip(folder / "a.zip").chmod(0)
        message = error_without_permissions(lambda: Zip(folder / "a.zip"))
        assert message.startswith(
            f"ArchiveError: cannot read {folder}/a.zip: permission denied; give this user permission"
        )


def test_full_disk_during_decompression(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "a.zip", {"array.npy": bytes(300_000)})
    with tiny_disk(kilobytes=100) as folder:
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        with pytest.raises(WriteError) as error:
            Zip(path).open(list_members(path)["array.npy"])
        assert str(error.value) == (
            f"cannot write temporary files in {folder}: the disk is full; make room, or choose another place; "
            "set TMPDIR to another folder"
        )
        assert list(folder.iterdir()) == []
