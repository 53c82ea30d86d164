"""Commands in a folder whose name is not UTF-8."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import archives
import pytest

from residerm import cli

SMALL = ("--model", "cnn", "--size", "32", "--batch-size", "16", "--epochs", "1", "--precision", "float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("odd") / os.fsdecode(b"caf\xe9")
    archives.ham10000(place / "archive", lesions=70)
    (place / os.fsdecode(b"im\xff.jpg")).write_bytes(archives.make_jpeg(1))
    return place


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    assert cli.run(["train", str(folder / "archive"), *SMALL, "--runs", str(folder / "runs")]) == 0
    (run,) = (folder / "runs").iterdir()
    return run


def test_run_and_report(run: Path) -> None:
    assert cli.run(["evaluate", str(run)]) == 0
    assert "caf?" in (run / "report.html").read_text(encoding="utf-8")
    (scores,) = (run / "evaluations").glob("*/scores.json")
    assert json.loads(scores.read_text(encoding="utf-8"))["path"].endswith("caf?/archive")
    assert cli.run(["train", "--resume", str(run), "--epochs", "2"]) == 0


def test_predictions_and_explanations(folder: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = str(folder / os.fsdecode(b"im\xff.jpg"))
    assert cli.run(["predict", str(run), image, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["predictions"][0]["image"].endswith("im?.jpg")
    assert cli.run(["predict", str(run), image, "--out", str(folder / os.fsdecode(b"\xe9.csv"))]) == 0
    assert cli.run(["explain", str(run), image, "--out", str(folder / os.fsdecode(b"why\xe9"))]) == 0


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_export(folder: Path, run: Path, runtime: str) -> None:
    out = folder / os.fsdecode(runtime.encode() + b"\xe9")
    assert cli.run(["export", str(run), "--to", runtime, "--out", str(out)]) == 0
    assert cli.run(["predict", str(out), str(folder / os.fsdecode(b"im\xff.jpg"))]) == 0
    shutil.rmtree(out)


def test_weights_of_another_run(folder: Path, run: Path) -> None:
    weights = run / "bundle" / "model.safetensors"
    begin = ["train", str(folder / "archive"), *SMALL, "--runs", str(folder / "further")]
    assert cli.run([*begin, "--weights", str(weights)]) == 0
