"""Distillation: the loss compared with its formula, training with a teacher, and refused teachers."""

from __future__ import annotations

from pathlib import Path

import archives
import numpy as np
import pytest
import torch
import yaml
from scipy.special import log_softmax, softmax

from residerm import cli
from residerm.config import DistillationOptions, Experiment, TrainOptions
from residerm.data.dataset import Dataset
from residerm.inference import load
from residerm.training.distillation import Distillation, ask_teacher
from residerm.training.recipe import loss_for

SMALL = ("--model", "cnn", "--batch-size", "16", "--precision", "float32", "--epochs", "1")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=105)


@pytest.fixture(scope="module")
def teacher(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(archive, tmp_path_factory.mktemp("teacher"), "--size", "40")


def train(archive: Path, runs: Path, *options: str) -> Path:
    assert cli.run(["train", str(archive), *SMALL, "--runs", str(runs), *options]) == 0
    return next(runs.iterdir())


def refused(archive: Path, runs: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """The error message; nothing may be left behind."""
    assert cli.run(["train", str(archive), *SMALL, "--size", "32", "--runs", str(runs), *options]) == 2
    assert not runs.exists()
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(("share", "temperature"), [(0.0, 2.0), (0.5, 1.0), (0.7, 3.0), (1.0, 2.0)])
def test_loss_matches_the_formula(share: float, temperature: float) -> None:
    random = np.random.default_rng(0)
    taught, outputs, labels = random.normal(size=(6, 3)), random.normal(size=(6, 3)), random.integers(0, 3, 6)
    options = TrainOptions(class_weight_power=0.0)
    loss = loss_for(np.array([4, 4, 4]), options, torch.device("cpu"))
    distillation = DistillationOptions(teacher_share=share, temperature=temperature)
    objective = Distillation(loss, np.arange(6), options, taught.astype(np.float32), distillation)
    images, rows = torch.zeros(6, 3, 8, 8), np.arange(6)
    _, targets = objective.targets(images, torch.from_numpy(labels), rows=rows, epoch=0, step=0)
    found, _ = objective.loss(torch.from_numpy(outputs), targets)
    own, its = log_softmax(outputs / temperature, axis=1), log_softmax(taught / temperature, axis=1)
    divergence = (softmax(taught / temperature, axis=1) * (its - own)).sum(1).mean()
    by_labels = -log_softmax(outputs, axis=1)[np.arange(6), labels].mean()
    assert found.item() == pytest.approx((1 - share) * by_labels + share * temperature**2 * divergence, rel=1e-5)


def test_teacher_predicts_training_images_at_its_own_size(archive: Path, teacher: Path) -> None:
    dataset = Dataset.open(Experiment(path=archive))
    taught = ask_teacher(dataset, teacher)
    rows = dataset.training_rows
    others = np.setdiff1d(np.arange(len(dataset.records)), rows)
    assert not taught[others].any()
    at_its_size = Dataset.open(Experiment.from_flat({"path": archive, "size": 40}, "test"))
    expected = load(teacher).outputs(at_its_size.cache.pixels[rows[:3]], views=8).logits
    np.testing.assert_allclose(taught[rows[:3]], expected, atol=5e-3 if torch.cuda.is_available() else 1e-5)  # TF32


def test_network_learns_from_a_teacher(archive: Path, teacher: Path, tmp_path: Path) -> None:
    with_teacher = train(archive, tmp_path / "a", "--size", "32", "--teacher", str(teacher), "--accumulate", "2")
    alone = train(archive, tmp_path / "b", "--size", "32", "--accumulate", "2")
    options = yaml.safe_load((with_teacher / "config.yaml").read_text())
    assert (options["teacher"], options["teacher_share"], options["temperature"]) == (str(teacher), 0.5, 2.0)
    weights = [(run / "bundle" / "model.safetensors").read_bytes() for run in (with_teacher, alone)]
    assert weights[0] != weights[1]


def test_teacher_that_has_seen_the_test_part_is_reported(
    archive: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(archive, tmp_path / "same", "--size", "32", "--teacher", str(teacher))
    assert "scores on it will be too high" not in capsys.readouterr().err
    train(archive, tmp_path / "other", "--size", "32", "--teacher", str(teacher), "--split-seed", "5")
    message = " ".join(capsys.readouterr().err.split())
    assert (
        "to train or select the teacher: scores on it will be too high; give a teacher with the same split" in message
    )


def test_teacher_with_other_classes_is_refused(
    archive: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(archive, tmp_path / "runs", capsys, "--teacher", str(teacher), "--task", "malignancy")
    assert "has the classes akiec, bcc" in message
    assert "give a teacher with the same classes" in message


def test_invalid_teacher_is_refused(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "contains no model" in refused(archive, tmp_path / "runs", capsys, "--teacher", str(tmp_path))


def test_mixup_with_a_teacher_is_refused(
    archive: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(archive, tmp_path / "runs", capsys, "--teacher", str(teacher), "--mixup", "0.2")
    assert "the teacher was not trained on mixed images" in message
