"""Folders with links, unusual names and missing permissions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from system_limits import error_without_permissions, folder_for_all

from residerm.errors import ArchiveError, ImageError
from residerm.storage.containers import LARGEST_IMAGE, File, Folder


def filled(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def listed(folder: Path) -> dict[str, File]:
    files = list(Folder(folder).files(7))
    named = {os.fsdecode(file.name): file for file in files}
    assert len(named) == len(files)
    return named


def test_files_are_listed_with_size_and_time(tmp_path):
    filled(tmp_path, "a.jpg", "deep/er/b.png", "table.csv", "x.jpg/inside.jpg")
    (tmp_path / "empty.jpg").touch()
    files = listed(tmp_path)
    assert set(files) == {"a.jpg", "deep/er/b.png", "table.csv", "x.jpg/inside.jpg", "empty.jpg"}
    for name, file in files.items():
        status = (tmp_path / name).stat()
        assert file == (7, name.encode(), status.st_mtime_ns, status.st_size, status.st_size, 0, 0)
        assert Folder(tmp_path).read(file) == (b"" if name == "empty.jpg" else name.encode())


def test_current_folder(tmp_path, monkeypatch):
    filled(tmp_path, "a.jpg", "deep/b.jpg")
    monkeypatch.chdir(tmp_path)
    for folder in (Path(), Path("deep/..")):
        assert set(listed(folder)) == {"a.jpg", "deep/b.jpg"}


def test_system_and_hidden_files_and_containers_are_not_listed(tmp_path):
    filled(tmp_path, "__MACOSX/a.jpg", ".git/a.jpg", "._a.jpg", "Thumbs.db", "desktop.ini", "b.ZIP", "c.npz", "a.jpg")
    assert set(listed(tmp_path)) == {"a.jpg"}


def test_links_are_followed(tmp_path):
    filled(tmp_path / "elsewhere", "a.jpg", "more/b.jpg")
    archive = filled(tmp_path / "archive", "c.jpg")
    (archive / "images").symlink_to(tmp_path / "elsewhere")
    (archive / "d.jpg").symlink_to(tmp_path / "elsewhere" / "a.jpg")
    files = listed(archive)
    assert set(files) == {"c.jpg", "d.jpg", "images/a.jpg", "images/more/b.jpg"}
    assert Folder(archive).read(files["d.jpg"]) == b"a.jpg"


def test_cyclic_links_are_followed_once(tmp_path):
    filled(tmp_path, "a.jpg", "deep/b.jpg")
    (tmp_path / "deep" / "up").symlink_to(tmp_path)
    (tmp_path / "deep" / "again").symlink_to(tmp_path / "deep")
    (tmp_path / "itself.jpg").symlink_to("itself.jpg")
    files = listed(tmp_path)
    assert set(files) == {"a.jpg", "deep/b.jpg", "itself.jpg"}
    with pytest.raises(ImageError, match=r"it cannot be read: .*symbolic links"):
        Folder(tmp_path).read(files["itself.jpg"])


def test_broken_link_is_listed_but_cannot_be_read(tmp_path):
    (tmp_path / "a.jpg").symlink_to("nowhere")
    file = listed(tmp_path)["a.jpg"]
    assert file.size == 0
    for take in (Folder(tmp_path).read, Folder(tmp_path).open):
        with pytest.raises(ImageError, match=r"^it cannot be read: there is no such file or folder$"):
            take(file)


def test_file_names_that_are_not_utf8(tmp_path):
    name = b"M\xe9lanome/l\xe9sion.jpg"
    path = tmp_path / os.fsdecode(name)
    path.parent.mkdir()
    path.write_bytes(b"pixels")
    (file,) = Folder(tmp_path).files(0)
    assert file.name == name
    assert Folder(tmp_path).read(file) == b"pixels"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match="it is a pipe or a device, not a file"):
        Folder(tmp_path).read(listed(tmp_path)["a.jpg"])


def test_vanished_file(tmp_path):
    filled(tmp_path, "a.jpg")
    file = listed(tmp_path)["a.jpg"]
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(ImageError, match="there is no such file or folder"):
        Folder(tmp_path).read(file)


def test_oversized_file_is_refused(tmp_path):
    with (tmp_path / "a.jpg").open("wb") as stream:
        stream.truncate(LARGEST_IMAGE + 1)
    with pytest.raises(ImageError, match="it claims 268,435,457 bytes; an image has at most 268,435,456"):
        Folder(tmp_path).read(listed(tmp_path)["a.jpg"])


def test_folder_without_permission():
    with folder_for_all() as folder:
        filled(folder, "open/a.jpg", "closed/b.jpg")
        (folder / "closed").chmod(0)
        message = error_without_permissions(lambda: listed(folder))
        assert (
            message == f"ArchiveError: cannot list {folder}/closed: permission denied; give this user permission, or "
            "choose another place"
        )


def test_file_without_permission():
    with folder_for_all() as folder:
        filled(folder, "a.jpg")
        (folder / "a.jpg").chmod(0)
        file = listed(folder)["a.jpg"]
        message = error_without_permissions(lambda: Folder(folder).read(file))
        assert message.startswith("ImageError: it cannot be read: permission denied; give this user permission")


def test_missing_folder(tmp_path):
    with pytest.raises(ArchiveError, match=r"cannot list .*nowhere: there is no such file or folder"):
        listed(tmp_path / "nowhere")
