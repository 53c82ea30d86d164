"""Atomic writes: files and folders appear complete or not at all, and never overwrite anything."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path

import pytest
from system_limits import error_without_permissions, folder_for_all, tiny_disk

from residerm.errors import WriteError
from residerm.files import (
    copy_folder,
    new_file,
    new_folder,
    require_new_folder,
    require_writable,
    reserve,
    write_error,
)


def tree(folder: Path) -> dict[str, str | None]:
    """Everything below a folder: texts of files, None for folders."""
    return {str(path.relative_to(folder)): path.read_text() if path.is_file() else None for path in folder.rglob("*")}


def write_file(path: Path, text: str = "whole", **options: bool) -> None:
    with new_file(path, **options) as temporary:
        temporary.write_text(text)


def write_folder(path: Path) -> None:
    with new_folder(path) as temporary:
        (temporary / "inner").mkdir()
        (temporary / "inner" / "file").write_text("whole")


def write_half(new: Callable[[Path], AbstractContextManager[Path]], path: Path, then: Callable[[], object]) -> None:
    """Fail in the middle of writing."""
    with new(path) as temporary:
        (temporary / "file" if temporary.is_dir() else temporary).write_text("half")
        then()


def write_and_fail(error: type[BaseException]) -> Callable[[], None]:
    def raise_it() -> None:
        raise error

    return raise_it


NEW = pytest.mark.parametrize("new", [new_file, new_folder])
WRITERS = pytest.mark.parametrize("write", [write_file, write_folder])


# Whole


def test_file_appears_only_when_complete(tmp_path):
    path = tmp_path / "deep" / "er" / "file"
    with new_file(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent
        temporary.write_text("whole")
    assert tree(tmp_path) == {"deep": None, "deep/er": None, "deep/er/file": "whole"}


def test_folder_appears_only_when_complete(tmp_path):
    path = tmp_path / "deep" / "folder"
    with new_folder(path) as temporary:
        (temporary / "file").write_text("whole")
        assert not path.exists()
    assert tree(tmp_path) == {"deep": None, "deep/folder": None, "deep/folder/file": "whole"}


def test_empty_folder_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    write_folder(tmp_path / "folder")
    assert tree(tmp_path)["folder/inner/file"] == "whole"


def test_replace_overwrites(tmp_path):
    write_file(tmp_path / "file", "old")
    write_file(tmp_path / "file", "new", replace=True)
    write_file(tmp_path / "other", "new", replace=True)
    assert tree(tmp_path) == {"file": "new", "other": "new"}


def test_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_file(Path("file"))
    write_folder(Path("folder"))
    assert set(tree(tmp_path)) == {"file", "folder", "folder/inner", "folder/inner/file"}


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "file")
        write_folder(tmp_path / "folder")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o750


# Never over something else


@WRITERS
@pytest.mark.parametrize("there", ["file", "full folder", "link that leads nowhere"])
def test_existing_path_is_not_overwritten(tmp_path, write, there):
    path = tmp_path / "place"
    if there == "file":
        path.write_text("precious")
    elif there == "full folder":
        path.mkdir()
        (path / "file").write_text("precious")
    else:
        path.symlink_to("nowhere")
    before = tree(tmp_path)
    with pytest.raises(WriteError) as error:
        write(path)
    message = "already exists and is not overwritten: choose another name, or remove it first"
    assert str(error.value) == f"{path} {message}"
    assert tree(tmp_path) == before
    assert path.is_symlink() == (there == "link that leads nowhere")


def test_file_does_not_replace_an_empty_folder(tmp_path):
    (tmp_path / "place").mkdir()
    for options in ({}, {"replace": True}):
        with pytest.raises(WriteError, match="place"):
            write_file(tmp_path / "place", **options)
    assert tree(tmp_path) == {"place": None}


@NEW
def test_path_created_in_the_meantime_is_not_overwritten(tmp_path, new):
    path = tmp_path / "place"
    with pytest.raises(WriteError, match="already exists and is not overwritten"):
        write_half(new, path, then=lambda: path.write_text("another's"))
    assert tree(tmp_path) == {"place": "another's"}


def test_current_folder_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WriteError, match=r"^\. already exists"):
        write_folder(Path())
    assert tree(tmp_path) == {}
    write_folder(Path("new"))  # the shell's own folder is still the one it was


# Or not at all


@NEW
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_leaves_nothing(tmp_path, new, error):
    with pytest.raises(error):
        write_half(new, tmp_path / "deep" / "er" / "place", then=write_and_fail(error))
    assert tree(tmp_path) == {}


def test_failure_leaves_the_old_file(tmp_path):
    write_file(tmp_path / "file", "old")
    with pytest.raises(ValueError):
        write_half(partial(new_file, replace=True), tmp_path / "file", then=write_and_fail(ValueError))
    assert tree(tmp_path) == {"file": "old"}


@WRITERS
def test_parent_is_a_file(tmp_path, write):
    (tmp_path / "parent").write_text("precious")
    for path in (tmp_path / "parent" / "place", tmp_path / "parent" / "deep" / "place"):
        with pytest.raises(WriteError) as error:
            write(path)
        assert str(error.value) == f"cannot write {path}: a part of that path is a file, not a folder"
    assert tree(tmp_path) == {"parent": "precious"}


@WRITERS
def test_folder_without_permission(write):
    with folder_for_all() as folder:
        for path in (folder / "place", folder / "deep" / "place"):
            message = error_without_permissions(lambda path=path: write(path))
            reason = "permission denied; give this user permission, or choose another place"
            assert message == f"WriteError: cannot write {path}: {reason}"
        assert tree(folder) == {}


def test_unwritable_path_is_refused_before_the_work(tmp_path):
    require_writable(tmp_path / "not" / "yet" / "there")
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="file/place"):
        require_writable(tmp_path / "file" / "place")
    with folder_for_all() as folder:
        (folder / "closed").mkdir(mode=0)
        for path in (folder / "place", folder / "deep" / "place", folder / "closed" / "place", folder / "closed/a/b"):
            message = error_without_permissions(lambda path=path: require_writable(path))
            assert message.startswith(f"WriteError: cannot write {path}: permission denied")
        assert tree(folder) == {"closed": None}


@WRITERS
def test_folder_without_permission_to_enter(write):
    with folder_for_all() as folder:
        (folder / "closed").mkdir(mode=0)
        message = error_without_permissions(lambda: write(folder / "closed" / "place"))
        assert message.startswith(f"WriteError: cannot write {folder}/closed/place: permission denied")


@NEW
def test_full_disk(new):
    with tiny_disk(kilobytes=64) as folder:
        path = folder / "deep" / "place"
        with pytest.raises(WriteError) as error, new(path) as temporary:
            (temporary / "file" if temporary.is_dir() else temporary).write_bytes(bytes(100_000))
        message = "the disk is full; make room, or choose another place"
        assert str(error.value) == f"cannot write {path}: {message}"
        assert tree(folder) == {}


def test_full_disk_while_a_folder_is_copied(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "large").write_bytes(bytes(100_000))
    with tiny_disk(kilobytes=64) as folder:
        with pytest.raises(WriteError) as error, new_folder(folder / "copy") as temporary:
            copy_folder(tmp_path, temporary)
        message = "the disk is full; make room, or choose another place"
        assert str(error.value) == f"cannot write {folder / 'copy'}: {message}"
        assert tree(folder) == {}


def test_a_folder_is_copied_without_some_entries(tmp_path):
    for name in ("one", "deep/one", "deep/two", "omitted/three"):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_text(name)
    (tmp_path / "target").mkdir()
    copy_folder(tmp_path / "source", tmp_path / "target", frozenset({"one", "omitted"}))
    assert sorted(path.name for path in (tmp_path / "target").rglob("*")) == ["deep", "one", "two"]
    assert (tmp_path / "target" / "deep" / "one").read_text() == "deep/one"


def test_full_disk_is_detected_by_reserving_space(tmp_path):
    with (tmp_path / "file").open("wb") as file:
        reserve(file, 100_000)
        reserve(file, 0)
    assert (tmp_path / "file").stat().st_size == 100_000
    assert (tmp_path / "file").stat().st_blocks * 512 >= 100_000
    with (
        tiny_disk(kilobytes=64) as folder,
        (folder / "file").open("wb") as file,
        pytest.raises(OSError, match="No space left"),
    ):
        reserve(file, 100_000)


def test_error_about_another_file_is_not_a_write_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="source"), new_file(tmp_path / "place"):
        (tmp_path / "source").read_text()
    assert tree(tmp_path) == {}


WRITING = """
import sys, time
from pathlib import Path
from residerm.files import new_file, new_folder
with {new}(Path(sys.argv[1])) as temporary:
    temporary = temporary / "file" if temporary.is_dir() else temporary
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("new", ["new_file", "new_folder"])
def test_killed_process_leaves_nothing(tmp_path, new):
    command = [sys.executable, "-c", WRITING.format(new=new), tmp_path / "place"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "place").exists()
    assert [path.name[:7] + path.suffix for path in tmp_path.iterdir()] == [".place..partial"]
    (write_file if new == "new_file" else write_folder)(tmp_path / "place")  # what it left is in nobody's way


def test_folder_is_replaced_completely(tmp_path):
    write_folder(tmp_path / "place")
    with new_folder(tmp_path / "place", replace=True) as temporary:
        (temporary / "new").write_text("new")
    assert tree(tmp_path) == {"place": None, "place/new": "new"}


def test_failed_replacement_keeps_the_old_folder(tmp_path):
    write_folder(tmp_path / "place")
    before = tree(tmp_path)
    with pytest.raises(WriteError), new_folder(tmp_path / "place", replace=True) as temporary:
        temporary.write_text("a folder takes no text")
    assert tree(tmp_path) == before


def test_keyboard_interrupt_leaves_nothing(tmp_path):
    command = [sys.executable, "-c", WRITING.format(new="new_folder"), tmp_path / "deep" / "place"]
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        while process.poll() is None and time.monotonic() - started < 30:
            process.send_signal(signal.SIGINT)  # again, since Python loses one that meets it in a callback
            with suppress(subprocess.TimeoutExpired):
                process.wait(3)
    assert time.monotonic() - started < 30
    assert tree(tmp_path) == {}


def test_message_names_path_and_remedy():
    error = write_error(Path("out"), OSError(28, "No space left on device"))
    assert str(error) == "cannot write out: the disk is full; make room, or choose another place"


@pytest.mark.parametrize("write", [write_file, write_folder, require_writable, require_new_folder])
def test_nul_in_a_name(tmp_path: Path, write: Callable[[Path], None]) -> None:
    with pytest.raises(WriteError, match="its name contains a NUL, which no file name can"):
        write(tmp_path / "new" / "a\0b")
    assert tree(tmp_path) == {}
