from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from downloads import start_fetch
from http_server import file_server

from residerm import cli
from residerm.data.archives.layouts import ham10000
from residerm.data.download.catalogue import CATALOGUE, PublicArchive, RemoteFile

TABLE = b"image,dx\n1,mel\n" * 1_000


@pytest.fixture
def server():
    with file_server() as running:
        yield running


@pytest.fixture
def offer(monkeypatch):
    """Add an archive of one file to the catalogue under the name tiny."""

    def put(*addresses: str) -> None:
        layout = replace(ham10000.LAYOUT, title="Tiny", licence="CC0 1.0", citation="Somebody: Something. doi:1")
        archive = PublicArchive("tiny", layout, 1, "doi:2", (RemoteFile("table.csv", addresses),), "(c) Us")
        monkeypatch.setitem(CATALOGUE, "tiny", archive)

    return put


def test_fetch_shows_licence_citations_and_next_command(server, offer, tmp_path, capsys):
    offer(server.put("/t", TABLE))
    assert cli.run(["data", "fetch", "Tiny", "--out", str(tmp_path / "my data")]) == 0
    assert (tmp_path / "my data/table.csv").read_bytes() == TABLE
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        f"Tiny is complete in {tmp_path}/my data",
        "Licence: CC0 1.0. (c) Us",
        "Cite: Somebody: Something. doi:1",
        f"Next: residerm data check '{tmp_path}/my data'",
    ]
    assert shown.err.splitlines() == ["fetching table.csv, 15.0 kB", "table.csv is complete"]


def test_default_folder_is_named_after_the_archive(server, offer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    offer(server.put("/t", TABLE))
    assert cli.run(["data", "fetch", "tiny"]) == 0
    assert (tmp_path / "tiny/table.csv").read_bytes() == TABLE


def test_failed_download_is_one_message_and_can_be_resumed(server, offer, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)
    offer(server.put("/t", TABLE, breaks_after=[5_000, 0, 0, 0]))
    assert cli.run(["data", "fetch", "tiny", "--out", str(tmp_path)]) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("residerm: table.csv could not be downloaded: http://")
    assert message.endswith(
        "the transfer broke off after 5.0 kB. 0 of 1 files are complete; what was downloaded is kept, and the same "
        "command resumes it"
    )
    assert cli.run(["data", "fetch", "tiny", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().err.splitlines()[0] == "fetching table.csv, 15.0 kB, resumed at 5.0 kB"
    assert (tmp_path / "table.csv").read_bytes() == TABLE


def test_unknown_name_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.run(["data", "fetch", "ham1000"]) == 2
    assert "NAME ham1000: there is no such archive" in (error := capsys.readouterr().err)
    assert "Did you mean ham10000" in error
    assert list(tmp_path.iterdir()) == []


def test_progress_without_a_terminal(server, offer, tmp_path, capsys, monkeypatch):
    from residerm.cli.data import fetch as data_fetch

    monkeypatch.setattr(data_fetch, "SECONDS_BETWEEN_LINES", 1e-9)
    offer(server.put("/t", TABLE))
    assert cli.run(["data", "fetch", "tiny", "--out", str(tmp_path)]) == 0
    assert re.search(
        r"^fetching table\.csv: 15\.0 kB of 15\.0 kB, [\d.,]+ [kMG]?B/s$", capsys.readouterr().err, re.MULTILINE
    )


def test_progress_bar_in_a_terminal(server, tmp_path):
    terminal, its_side = pty.openpty()
    termios.tcsetwinsize(its_side, (24, 80))
    process = start_fetch(server.put("/t", TABLE), tmp_path, stderr=its_side, start_new_session=True)
    os.close(its_side)
    shown = b""
    with suppress(OSError):  # how the end of a terminal shows
        while piece := os.read(terminal, 4096):
            shown += piece
    assert process.wait(timeout=30) == 0
    assert re.search("(fetching|checking) images.bin .*━━.*/15.0 kB", shown.decode())
    assert "images.bin is complete" in shown.decode()


def test_killed_download_is_resumed(server, offer, tmp_path):
    body = TABLE * 100
    address = server.put("/t", body, stalls_after=1_000_000)
    process = start_fetch(address, tmp_path, "table.csv")
    partial = tmp_path / "table.csv.partial"
    wait_for(lambda: partial.exists() and partial.stat().st_size > 900_000)
    process.kill()
    process.communicate(timeout=30)
    held = partial.stat().st_size
    server.files["/t"].stalls_after = None
    server.seen.clear()
    offer(address)
    assert cli.run(["data", "fetch", "tiny", "--out", str(tmp_path)]) == 0
    assert [seen.sent for seen in server.transfers()] == [len(body) - held]
    assert (tmp_path / "table.csv").read_bytes() == body
    assert {path.name for path in tmp_path.iterdir()} == {"table.csv", "checksums.json"}


def test_ctrl_c_keeps_partial_files_and_names_the_command_to_resume(server, tmp_path):
    body = TABLE * 100
    process = start_fetch(server.put("/t", body, stalls_after=1_000_000), tmp_path)
    partial = tmp_path / "images.bin.partial"
    wait_for(lambda: partial.exists() and partial.stat().st_size > 900_000)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert error.splitlines()[-1] == (
        f"residerm: stopped; what was downloaded is kept in {tmp_path}. "
        f"To resume: residerm data fetch tiny --out {tmp_path}"
    )
    held = partial.read_bytes()
    assert len(held) > 900_000
    assert body.startswith(held)
    assert not (tmp_path / "images.bin").exists()


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_list_shows_every_archive_within_the_width_of_the_terminal(capsys, monkeypatch):
    from residerm.cli import console

    for width in (80, 120):
        monkeypatch.setattr(console.out, "_width", width)
        assert cli.run(["data", "list"]) == 0
        shown = capsys.readouterr().out
        table = shown[: shown.index("Sizes are rounded")]
        assert max(len(line) for line in table.splitlines()) <= width
        for archive in CATALOGUE.values():
            line = next(line for line in shown.splitlines() if line.split()[:1] == [archive.name])
            assert f"{archive.images:,}" in line
            assert archive.layout.licence in line


def test_list_as_json_is_complete(capsys):
    assert cli.run(["data", "list", "--json"]) == 0
    listed = {archive["name"]: archive for archive in json.loads(capsys.readouterr().out)}
    assert listed.keys() == CATALOGUE.keys()
    part_1 = next(file for file in listed["ham10000"]["files"] if file["name"] == "HAM10000_images_part_1.zip")
    assert part_1["md5"] == "4639bfa73ab251610530a97c898e6e46"
    assert part_1["addresses"] == ["https://dataverse.harvard.edu/api/access/datafile/3172585"]
    assert listed["ham10000"]["citation"] == ham10000.LAYOUT.citation
    assert listed["isic2019"]["classes"] == list(CATALOGUE["isic2019"].classes)
    assert listed["dermamnist"]["about"] is None


def test_list_and_fetch_do_not_import_torch(tmp_path):
    for arguments in (["data", "list"], ["data", "fetch", "nothing-like-it"]):
        program = f"import sys; from residerm import cli; cli.run({arguments!r}); print('torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True)
        assert done.stdout.splitlines()[-1] == "False"
