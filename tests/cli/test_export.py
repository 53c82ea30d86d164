"""`residerm export`: bundles that need no torch, from one or several runs."""

import json
from pathlib import Path

import archives
import numpy as np
import pytest

from residerm import cli
from residerm.inference import load

SMALL = ("--model", "resnet20", "--width", "4", "--size", "32", "--batch-size", "16", "--epochs", "1")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    archive = archives.ham10000(folder / "archive", lesions=70)
    assert cli.run(["train", str(archive), *SMALL, "--runs", str(folder / "runs")]) == 0
    return next((folder / "runs").iterdir())


def test_run_is_exported_into_its_folder(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", str(run), "--to", "onnx"]) == 0
    folder = run / "exports" / "onnx-float32"
    assert str(folder) in capsys.readouterr().out
    record = json.loads((folder / "parity.json").read_text())
    assert "validation part" in record["source"]
    assert (folder / "trust.npz").read_bytes() == (run / "bundle" / "trust.npz").read_bytes()
    image = tmp_path / "one.jpg"
    image.write_bytes(archives.make_jpeg(5000, (60, 40)))
    expected, found = (load(path).predict([image]) for path in (run, folder))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert cli.run(["predict", str(folder), str(image), "--runtime", "onnx", "--threads", "1"]) == 0
    assert "runtime: onnx, float32" in capsys.readouterr().out
    assert cli.run(["runs", str(run.parent)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "exports/onnx-float32: float32, onnx" in shown
    assert cli.run(["runs", str(run.parent), "--json"]) == 0
    assert "within" in json.loads(capsys.readouterr().out)[0]["exports"]["onnx-float32"]
    assert cli.run(["export", str(run), "--to", "onnx"]) == 1
    assert "already exists and is not overwritten" in capsys.readouterr().err


def test_several_runs_are_exported_as_one_model(run: Path, tmp_path: Path) -> None:
    assert cli.run(["export", str(run), str(run), "--out", str(tmp_path / "two")]) == 0
    assert cli.run(["export", str(run), "--out", str(tmp_path / "one")]) == 0
    images = [archives.make_jpeg(6000 + number, (60, 40)) for number in range(3)]
    expected = load(run).predict(images)
    for name, members in (("two", 2), ("one", 1)):
        predictor = load(tmp_path / name)
        assert predictor.description.members == members
        np.testing.assert_allclose(predictor.predict(images), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{run}"], "--out is missing"),
        (["{run}", "{run}", "--to", "onnx"], "--out is missing"),
        (["{run}", "--to", "onnx", "--precision", "bf16"], "--precision bf16: ONNX Runtime does not"),
        (["{run}", "--precision", "int8", "--out", "{new}"], "a bundle in torch is float32"),
        (["{run}/bundle", "--to", "onnx", "--out", "{new}"], "is not a run, so it has no images"),
        (["{new}", "--to", "onnx", "--out", "{new}"], "contains no model"),
        (["{run}", "--to", "tflite"], "--to"),
    ],
)
def test_invalid_usage_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert cli.run(["export", *(one.format(run=run, new=tmp_path / "new") for one in arguments)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "new").exists()


def test_parity_on_another_archive_uses_unseen_images(run: Path, tmp_path: Path) -> None:
    archive = archives.ham10000(tmp_path / "archive", lesions=84)  # the run knows 70 of its lesions
    folder = tmp_path / "exported"
    assert cli.run(["export", str(run), "--to", "onnx", "--data", str(archive), "--out", str(folder)]) == 0
    record = json.loads((folder / "parity.json").read_text())
    assert "not seen in training" in record["source"]
