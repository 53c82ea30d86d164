"""The files of an archive are the same packed or unpacked; errors explain why a path has none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sample_zips import MEMBERS, change_entry, write_zip, zip_many_members
from system_limits import error_without_permissions, folder_for_all, tiny_disk

from residerm.errors import ArchiveError, ImageError, WriteError
from residerm.storage.tree import Tree, is_image


def unpacked(folder: Path) -> Path:
    for name, data in MEMBERS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def contents(tree: Tree) -> dict[str, bytes]:
    return {name: tree.read(number) for number, name in tree.names()}


def test_packed_and_unpacked_files_are_equal(tmp_path):
    (tmp_path / "packed").mkdir()
    zipped = write_zip(tmp_path / "packed" / "A.ZIP")
    for tree in (Tree(zipped), Tree(zipped.parent), Tree(unpacked(tmp_path / "unpacked"))):
        assert len(tree) == len(MEMBERS)
        assert contents(tree) == MEMBERS
        assert [name for _, name in tree.images] == ["a.jpg", "deep/er/b.png", "empty.jpg"]
        assert [name for _, name in tree.documents] == ["table.csv"]
        (number,) = tree.find("TABLE.*")
        with tree.open(number) as stream:
            assert stream.read() == MEMBERS["table.csv"]


def test_order_of_files(tmp_path):
    for name in ("z.jpg", "b.jpg", "a.jpg"):
        (tmp_path / name).write_bytes(b"unpacked")
    write_zip(tmp_path / "2.zip", {"d.jpg": b"", "c.jpg": b""})
    write_zip(tmp_path / "1.zip", {"a.jpg": b"packed"})
    np.savez(tmp_path / "3.npz", some_images=np.zeros((11, 2, 2), np.uint8))
    tree = Tree(tmp_path)
    rows = [f"some_images/{row:06d}.ppm" for row in range(11)]
    assert [name for _, name in tree.names()] == ["a.jpg", "c.jpg", "d.jpg", *rows, "a.jpg", "b.jpg", "z.jpg"]
    assert tree.read(0) == b"packed"
    assert tree.where(0) == f"{tmp_path}/1.zip/a.jpg"
    assert tree.where(13) == f"{tmp_path}/3.npz/some_images/000010.ppm"
    assert tree.where(14) == f"{tmp_path}/a.jpg"


def test_zips_in_folders_and_links(tmp_path):
    write_zip(tmp_path / "elsewhere.zip")
    archive = tmp_path / "archive" / "deep"
    archive.mkdir(parents=True)
    (archive / "a.zip").symlink_to(tmp_path / "elsewhere.zip")
    (archive / "__MACOSX").mkdir()
    (archive / "__MACOSX" / "b.zip").write_bytes(b"no zip")
    (archive / ".c.zip").write_bytes(b"no zip")
    (archive / "d.zip").mkdir()
    (archive / "d.zip" / "e.jpg").write_bytes(b"a folder may have any name")
    assert set(contents(Tree(tmp_path / "archive"))) == {*MEMBERS, "deep/d.zip/e.jpg"}


def test_find_matches_base_names_case_insensitively(tmp_path):
    for name in ("HAM10000_metadata", "deep/ham10000_METADATA.tab", "HAM10000_metadata.jpg", "other.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    tree = Tree(tmp_path)
    names = dict(tree.documents)
    assert [names[number] for number in tree.find("HAM10000_metadata*")] == [
        "HAM10000_metadata",
        "deep/ham10000_METADATA.tab",
    ]
    assert [names[number] for number in tree.find("nothing", "oth?r.csv")] == ["other.csv"]


def test_file_names_that_are_not_utf8(tmp_path):
    name = os.fsdecode(b"l\xe9sion.jpg")
    (tmp_path / name).write_bytes(b"pixels")
    tree = Tree(tmp_path)
    assert contents(tree) == {name: b"pixels"}
    assert tree.where(0) == f"{tmp_path}/l?sion.jpg"


def test_control_characters_in_names_are_replaced(tmp_path):
    (tmp_path / "a\n\x1b[31mb.jpg").touch()
    assert Tree(tmp_path).where(0) == f"{tmp_path}/a??[31mb.jpg"


def test_empty_folder(tmp_path):
    tree = Tree(tmp_path)
    assert len(tree) == 0
    assert list(tree.names()) == tree.documents == tree.find("*") == []


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.b/c.tiff"])
def test_images_are_recognised_by_suffix(name):
    assert is_image(name)
    assert not is_image(f"{name}.csv")
    assert not is_image(name.replace(".", "_"))


# What is no archive


def test_missing_path(tmp_path):
    with pytest.raises(ArchiveError) as error:
        Tree(tmp_path / "HAM")
    assert str(error.value) == (
        f"cannot read {tmp_path}/HAM: there is no such file or folder; PATH is the folder or the zip of the archive"
    )


def test_path_below_a_file(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(ArchiveError, match=r"cannot read .*/a/b: a part of that path is a file, not a folder; PATH is"):
        Tree(tmp_path / "a" / "b")


def test_file_of_another_type(tmp_path):
    (tmp_path / "a.tar").touch()
    with pytest.raises(ArchiveError, match=r"a.tar is not an archive: give its folder, a"):
        Tree(tmp_path / "a.tar")


def test_damaged_zip_error_names_the_zip(tmp_path):
    write_zip(tmp_path / "1.zip")
    (tmp_path / "2.zip").write_bytes((tmp_path / "1.zip").read_bytes()[:-5])
    with pytest.raises(ArchiveError, match=r"/2.zip is truncated or not a zip"):
        Tree(tmp_path)


def test_unreadable_document_error_names_the_file(tmp_path):
    path = change_entry(write_zip(tmp_path / "a.zip"), b"table.csv", 16, "<I", 1)
    tree = Tree(path)
    with pytest.raises(ArchiveError, match=r"a.zip/table.csv: its bytes in the zip are damaged"):
        tree.open(tree.find("table.csv")[0])


def test_unreadable_image_error_has_a_reason(tmp_path):
    tree = Tree(change_entry(write_zip(tmp_path / "a.zip"), b"a.jpg", 16, "<I", 1))
    with pytest.raises(ImageError, match=r"^its bytes in the zip are damaged"):
        tree.read(0)


def test_missing_permission():
    with folder_for_all() as folder:
        (folder / "closed").mkdir(mode=0)
        for path in (folder, folder / "closed"):
            message = error_without_permissions(lambda path=path: Tree(path))
            assert message.startswith(f"ArchiveError: cannot list {folder}/closed: permission denied; give this user")
        message = error_without_permissions(lambda: Tree(folder / "closed" / "archive"))
        assert message.startswith(
            f"ArchiveError: cannot read {folder}/closed/archive: permission denied; give this user"
        )


# Private memory and the temporary folder


GROWTH = """
import sys
from pathlib import Path
from residerm.storage.tree import Tree

def private():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))

Tree(Path(sys.argv[1]))
before = private()
tree = Tree(Path(sys.argv[2]))
print(len(tree), private() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="private memory is read from /proc")
def test_private_memory_is_independent_of_files(tmp_path):
    paths = tmp_path / "few.zip", tmp_path / "many.zip"
    for path, count in zip(paths, (8_000, 80_000), strict=True):
        path.write_bytes(zip_many_members(count))
    done = subprocess.run([sys.executable, "-c", GROWTH, *paths], capture_output=True, text=True, check=True)
    count, kilobytes = map(int, done.stdout.split())
    assert count == 80_000
    assert kilobytes < 500, "a list of the names alone would be 5,000"


def test_full_temporary_folder(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "a.zip", {f"{number:06d}.jpg": b"" for number in range(3_000)})
    with tiny_disk(kilobytes=64) as folder:
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        with pytest.raises(WriteError) as error:
            Tree(path)
        assert str(error.value) == (
            f"cannot write temporary files in {folder}: the disk is full; make room, or choose another place; "
            "set TMPDIR to another folder"
        )


def test_full_temporary_folder_of_the_database(tmp_path):
    """SQLite reads its folder from the environment; the table is far larger than its page cache."""
    path = write_zip(tmp_path / "a.zip", {f"{number:0100d}.jpg": b"" for number in range(9_000)})
    program = f"from pathlib import Path; from residerm.storage.tree import Tree; Tree(Path({str(path)!r}))"
    with tiny_disk(kilobytes=64) as folder:
        environment = {**os.environ, "TMPDIR": str(folder), "SQLITE_TMPDIR": str(folder)}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "WriteError: cannot write temporary files" in done.stderr
    assert "database or disk is full" in done.stderr
