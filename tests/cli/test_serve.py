"""`residerm serve`: help, and one message for invalid usage."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import colour_service
import pytest

from residerm import cli


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["serve", "--help"]) == 0
    shown = capsys.readouterr().out
    for flag in ("--host", "--port", "--token-file", "--insecure", "--workers", "--queue", "--max-megabytes"):
        assert flag in shown


def test_port_in_use_error_names_the_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert cli.run(["serve", "no-model", "--port", port]) == 2
    assert f"--port {port} is in use by another program" in capsys.readouterr().err


def test_public_host_error_names_the_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["serve", "no-model", "--host", "0.0.0.0"]) == 2
    assert "give --token-file or --insecure" in capsys.readouterr().err


def test_invalid_model_is_refused_before_listening(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    assert cli.run(["serve", str(tmp_path), "--port", "0"]) == 2
    shown = capsys.readouterr().err
    assert "contains no model" in shown
    assert "serves at" not in shown


def test_bundle_without_parity_record_is_refused(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    (tmp_path / "model.json").write_text(colour_service.make_description().model_dump_json())
    (tmp_path / "model.onnx").write_bytes(b"a graph")
    assert cli.run(["serve", str(tmp_path), "--port", "0"]) == 1
    shown = capsys.readouterr().err
    assert "has no parity.json" in shown
    assert "serves at" not in shown


def test_missing_fastapi_error_names_the_extra(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    for name in [name for name in sys.modules if name.startswith("residerm.service")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert cli.run(["serve", "no-model"]) == 1
    assert "pip install 'residerm[serve]'" in capsys.readouterr().err


def test_service_imports_neither_torch_nor_data() -> None:
    code = (
        "import sys, residerm.service.app, residerm.service.loading;"
        "print([name for name in ('torch', 'residerm.data', 'residerm.training', 'matplotlib') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("number", "exit_code", "message"),
    [(signal.SIGINT, 130, "residerm: the service has stopped\n"), (signal.SIGTERM, 143, "")],
)
def test_stopped_service_says_so(number: signal.Signals, exit_code: int, message: str) -> None:
    with colour_service.serve_in_process() as (process, _):
        process.send_signal(number)
        assert process.communicate(timeout=60)[1].endswith(message)
        assert process.returncode == exit_code


@pytest.mark.parametrize("display", ["", ":9"])
def test_page_is_opened_where_there_is_a_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, display: str) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with colour_service.serve_in_process(0.0, "--open") as (_, address):
        assert (opened.read_text() if opened.exists() else None) == (address if display else None)
