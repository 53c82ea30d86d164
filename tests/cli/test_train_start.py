"""`residerm train --weights RUN`: loading weights of another run, replaced classifiers, refusals."""

from __future__ import annotations

from pathlib import Path

import archives
import pytest
import torch
import yaml

from residerm import cli
from residerm.config import ModelOptions, ResNetOptions
from residerm.inference.bundle import read_bundle
from residerm.training.start import make_initial_model

SMALL = ("--model", "cnn", "--size", "32", "--batch-size", "16", "--epochs", "1", "--precision", "float32")
SEVEN = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=105)


@pytest.fixture(scope="module")
def run(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(archive, tmp_path_factory.mktemp("first"))


def train(archive: Path, runs: Path, *options: str, code: int = 0) -> Path:
    assert cli.run(["train", str(archive), *SMALL, "--runs", str(runs), *options]) == code
    return next(iter(runs.iterdir()))


def message(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_training_starts_from_the_weights_of_a_run(run: Path) -> None:
    start = make_initial_model(ModelOptions(model="cnn", weights=run), SEVEN, 32, ResNetOptions())
    first, _ = read_bundle(run)
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(start.model.eval()(pixels), first(pixels))
    assert any("licence CC BY-NC 4.0" in remark for remark in start.remarks)


def test_classifier_for_other_classes_is_replaced_and_reported(
    run: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = train(archive, tmp_path / "runs", "--weights", str(run), "--task", "malignancy")
    assert "is for 7 classes: the model keeps a new one for 2 classes" in message(capsys)
    assert yaml.safe_load((second / "config.yaml").read_text())["weights"] == str(run.absolute())


def test_classifier_for_equally_many_other_classes_is_replaced(run: Path) -> None:
    start = make_initial_model(ModelOptions(model="cnn", weights=run), tuple("abcdefg"), 32, ResNetOptions())
    logits = start.model.eval()(torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8))
    assert torch.equal(logits, torch.zeros(2, 7))
    assert any("its classes are different" in remark for remark in start.remarks)


def test_run_of_another_architecture_is_refused(
    run: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model", "logistic", "--weights", str(run), "--size", "32", "--runs", str(tmp_path / "runs")]
    assert cli.run(["train", str(archive), *options]) == 2
    assert f"--weights {run} is a cnn, not a logistic: give --model cnn, or weights" in message(capsys)
    assert not (tmp_path / "runs").exists()


def test_folder_without_a_model_is_refused(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--weights", str(archive), "--runs", str(tmp_path / "runs")]
    assert cli.run(["train", str(archive), *SMALL, *options]) == 2
    assert "contains no model" in message(capsys)
    assert not (tmp_path / "runs").exists()
