"""Downloading an archive: files, checksums, disk space and permissions."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

import filelock
import pytest
from downloads import (
    BODY,
    OTHER,
    assert_whole,
    fetch_at_once,
    file_names,
    make_archive,
    make_file_archive,
    make_zip,
    md5,
    start_fetch,
)
from http_server import file_server

from residerm.data.download.catalogue import RemoteFile
from residerm.data.download.fetch import CHECKSUMS
from residerm.data.download.transfer import FetchError
from residerm.errors import WriteError


@pytest.fixture
def server():
    with file_server() as running:
        yield running


@pytest.fixture
def closed_folders():
    """Folders without permission to write, and without permission to enter."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o755)
        for name, mode in (("here", 0o555), ("hidden", 0o000)):
            Path(path, name).mkdir()
            Path(path, name).chmod(mode)
        os.seteuid(user or 65_534)  # root may do anything: be nobody
        yield Path(path)
        os.seteuid(user)
        for name in ("here", "hidden"):
            Path(path, name).chmod(0o755)


class TestCompleteDownload:
    def test_files_are_stored_under_their_names(self, server, tmp_path):
        packed = make_zip()
        archive = make_archive(
            RemoteFile("table.csv", (server.put("/table", b"image,dx\n1,mel\n"),)),
            RemoteFile("images.zip", (server.put("/zip", packed),), size=len(packed), md5=md5(packed)),
        )
        assert fetch_at_once(archive, tmp_path / "a" / "b") == tmp_path / "a" / "b"
        assert (tmp_path / "a/b/table.csv").read_bytes() == b"image,dx\n1,mel\n"
        assert (tmp_path / "a/b/images.zip").read_bytes() == packed
        assert file_names(tmp_path / "a/b") == {"table.csv", "images.zip", CHECKSUMS}

    def test_complete_files_are_not_requested_again(self, server, tmp_path):
        archive = make_file_archive(server.put("/f", BODY))
        fetch_at_once(archive, tmp_path)
        server.seen.clear()
        fetch_at_once(archive, tmp_path)
        assert server.seen == []
        assert_whole(tmp_path)

    def test_existing_file_is_verified_and_recorded(self, server, tmp_path):
        (tmp_path / "images.bin").write_bytes(BODY)
        fetch_at_once(make_file_archive(server.put("/f", OTHER), md5=md5(BODY)), tmp_path)
        assert server.seen == []
        assert_whole(tmp_path)

    def test_existing_wrong_file_is_reported_and_kept(self, server, tmp_path):
        (tmp_path / "images.bin").write_bytes(OTHER)
        with pytest.raises(FetchError, match=r"images\.bin exists, but its MD5.*remove it"):
            fetch_at_once(make_file_archive(server.put("/f", BODY), md5=md5(BODY)), tmp_path)
        assert (tmp_path / "images.bin").read_bytes() == OTHER

    def test_recorded_hash_is_verified(self, server, tmp_path):
        archive = make_file_archive(server.put("/f", BODY))
        fetch_at_once(archive, tmp_path)
        (tmp_path / "images.bin").write_bytes(OTHER)
        with pytest.raises(FetchError, match=r"SHA-256 .*checksums\.json recorded .* at the first download"):
            fetch_at_once(archive, tmp_path)

    def test_republished_file_is_refused(self, server, tmp_path):
        archive = make_file_archive(server.put("/f", BODY))
        fetch_at_once(archive, tmp_path)
        (tmp_path / "images.bin").unlink()
        server.put("/f", OTHER)
        with pytest.raises(FetchError, match=r"if a new version was published"):
            fetch_at_once(archive, tmp_path)
        assert file_names(tmp_path) == {CHECKSUMS}

    def test_redirects_are_followed(self, server, tmp_path):
        server.put("/signed?key=1", BODY)
        fetch_at_once(make_file_archive(server.put("/f", b"", location=server.url("/signed?key=1"))), tmp_path)
        assert_whole(tmp_path)

    def test_interrupted_transfer_resumes_through_a_redirect(self, server, tmp_path):
        server.put("/signed", BODY, breaks_after=[30_000])
        fetch_at_once(make_file_archive(server.put("/f", b"", location=server.url("/signed"))), tmp_path)
        assert [seen.sent for seen in server.transfers("/signed")] == [30_000, 70_000]
        assert_whole(tmp_path)

    def test_answer_without_content_length(self, server, tmp_path):
        fetch_at_once(make_file_archive(server.put("/f", BODY, chunked=True, ranges=False)), tmp_path)
        assert_whole(tmp_path)


class TestDiskSpace:
    Usage = namedtuple("Usage", "total used free")

    def test_insufficient_disk_space_is_refused_before_download(self, server, tmp_path, monkeypatch):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: self.Usage(10**6, 10**6 - 99_999, 99_999))
        with pytest.raises(
            WriteError, match=r"100\.0 kB are still to be downloaded, and 100\.0 kB are free; free some space"
        ):
            fetch_at_once(make_file_archive(server.put("/f", BODY)), tmp_path / "new")
        assert server.transfers() == []
        assert not (tmp_path / "new").exists()

    def test_partial_files_reduce_the_required_space(self, server, tmp_path, monkeypatch):
        archive = make_file_archive(server.put("/f", BODY, breaks_after=[60_000]))
        with pytest.raises(FetchError):
            fetch_at_once(archive, tmp_path, attempts=1)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: self.Usage(10**6, 10**6 - 40_000, 40_000))
        fetch_at_once(archive, tmp_path)
        assert_whole(tmp_path)

    def test_required_space_falls_back_to_the_published_size(self, server, tmp_path, monkeypatch):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: self.Usage(10**6, 0, 10**6))
        address = server.put("/f", BODY, chunked=True, ranges=False)
        with pytest.raises(WriteError, match=r"5\.0 MB are still to be downloaded"):
            fetch_at_once(make_file_archive(address, about=5 * 10**6), tmp_path)

    def test_full_disk_keeps_the_partial_file(self, server, tmp_path):
        address = server.put("/f", BODY)
        limit = (50_000, 50_000)  # of every file that the process writes: a disk that fills up, for it alone
        process = start_fetch(address, tmp_path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
        _, error = process.communicate(timeout=60)
        assert process.returncode == 1
        _, message = error.splitlines()
        assert message.startswith(
            f"residerm: cannot write {tmp_path}/images.bin.partial: the file would exceed the size limit there"
        )
        assert "what was downloaded is kept" in message
        held = (tmp_path / "images.bin.partial").read_bytes()
        assert 0 < len(held) <= 50_000
        assert held == BODY[: len(held)]
        server.seen.clear()
        fetch_at_once(make_file_archive(address), tmp_path)
        assert [seen.sent for seen in server.transfers()] == [len(BODY) - len(held)]
        assert_whole(tmp_path)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_no_space_left_on_device(self, server, tmp_path):
        (tmp_path / "images.bin.partial").symlink_to("/dev/full")
        with pytest.raises(WriteError, match="the disk is full; make room"):
            fetch_at_once(make_file_archive(server.put("/f", BODY)), tmp_path)
        assert not (tmp_path / "images.bin").exists()

    @pytest.mark.parametrize("place", ["here", "here/new", "hidden/new"])
    def test_no_permission(self, server, closed_folders, place):
        with pytest.raises(WriteError, match=r"cannot write .*: permission denied; .*choose another place$"):
            fetch_at_once(make_file_archive(server.put("/f", BODY)), closed_folders / place)
        assert server.transfers() == []

    def test_file_in_place_of_the_folder(self, server, tmp_path):
        (tmp_path / "file").write_text("mine")
        with pytest.raises(WriteError, match="is a file, not a folder: choose another place"):
            fetch_at_once(make_file_archive(server.put("/f", BODY)), tmp_path / "file")
        assert (tmp_path / "file").read_text() == "mine"

    def test_damaged_checksum_file_is_reported(self, server, tmp_path):
        (tmp_path / CHECKSUMS).write_text("[")
        with pytest.raises(FetchError, match=r"checksums\.json is damaged: remove it"):
            fetch_at_once(make_file_archive(server.put("/f", BODY)), tmp_path)

    def test_concurrent_download_is_refused(self, server, tmp_path):
        with (
            filelock.FileLock(tmp_path / ".fetch.lock"),
            pytest.raises(WriteError, match="another process is downloading"),
        ):
            fetch_at_once(make_file_archive(server.put("/f", BODY)), tmp_path)
        fetch_at_once(make_file_archive(server.put("/f", BODY)), tmp_path)
        assert_whole(tmp_path)


def test_fetching_imports_neither_torch_nor_pydantic():
    program = "import sys, residerm.data.download.fetch; print({'torch', 'pydantic', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
