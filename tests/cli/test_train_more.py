"""`residerm train`: gradient accumulation, growing images, TensorBoard, torchrun."""

import json
import os
import subprocess
import sys
from pathlib import Path

import archives
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from residerm import cli
from residerm.config import ModelOptions, ResNetOptions, SplitOptions
from residerm.data.archives import open_archive
from residerm.data.split import TRAIN, divide
from residerm.inference import load
from residerm.models.start import build_initial_model
from residerm.runs import open_run
from residerm.training.recipe import Labels

SMALL = ("--batch-size", "16", "--precision", "float32")
CNN = ("--model", "cnn", "--size", "32", "--epochs", "1")
PLAIN = ("--optimizer", "sgd", "--rate", "0.05", "--no-augment")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=70)


def trained(archive: Path, runs: Path, *options: str, model: str = "cnn", size: int = 32, epochs: int = 1) -> Path:
    what = ("--model", model, "--size", str(size), "--epochs", str(epochs), "--runs", str(runs))
    assert cli.run(["train", str(archive), *SMALL, *what, *options]) == 0
    (run,) = runs.iterdir()
    return run


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "bundle" / "model.safetensors")


@pytest.fixture(scope="module")
def whole(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(archive, tmp_path_factory.mktemp("whole"), *PLAIN)


@pytest.mark.parametrize("parts", ["3", "8"])
def test_gradient_accumulation_gives_the_same_step(archive: Path, whole: Path, tmp_path: Path, parts: str) -> None:
    """Also with parts of different sizes."""
    run = trained(archive, tmp_path / "runs", *PLAIN, "--accumulate", parts)
    for name, expected in weights(whole).items():
        torch.testing.assert_close(weights(run)[name], expected, atol=1e-5, rtol=0)


def test_training_accuracy_is_that_of_the_training_batches(archive: Path, tmp_path: Path) -> None:
    """For a constant model it is the accuracy; mixed images count for both labels."""
    still = ("--optimizer", "sgd", "--rate", "1e-12", "--no-augment", "--batch-size", "2", "--precision", "float32")
    assert cli.run(["train", str(archive), *CNN, *still, "--runs", str(tmp_path)]) == 0
    (run,) = tmp_path.iterdir()
    records = open_archive(archive)
    rows = np.flatnonzero(divide(records, SplitOptions(split=str(run / "splits.csv"))).parts == TRAIN)
    right = load(run).predict([records.read(row) for row in rows]).argmax(1) == records.labels[rows]
    accuracy = open_run(run).epochs[0].train_accuracy
    assert accuracy == pytest.approx(right.mean(), abs=1 / len(rows))  # where their number is odd, one is left out

    logits = torch.eye(3)[[0, 1, 2, 0]]
    labels = Labels(torch.tensor([0, 1, 0, 1]), torch.tensor([1, 1, 2, 2]), torch.tensor([0.7, 0.6, 0.9, 0.2]))
    assert labels.accuracy(logits).item() == pytest.approx((0.7 + 1 + 0.1 + 0) / 4)


def test_parts_of_one_image_are_refused_with_batch_statistics(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["train", str(archive), *SMALL, "--runs", str(tmp_path / "runs"), "--model"]
    assert cli.run([*call, "logistic", "--accumulate", "9"]) == 2
    assert "each part of --accumulate" in capsys.readouterr().err
    assert cli.run([*call, "cnn", "--accumulate", "17"]) == 2
    assert "--accumulate 17 is more than the images" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_gradient_accumulation_with_mixup(archive: Path, tmp_path: Path) -> None:
    one = trained(archive, tmp_path / "one", *PLAIN, "--mixup", "0.4")
    other = trained(archive, tmp_path / "other", *PLAIN, "--mixup", "0.4", "--accumulate", "2")
    for name, expected in weights(one).items():
        torch.testing.assert_close(weights(other)[name], expected, atol=1e-5, rtol=0)


def test_torchrun_gives_the_weights_of_one_process(archive: Path, whole: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "residerm"]
    arguments = ["train", str(archive), *SMALL, *CNN, *PLAIN, "--runs", str(tmp_path / "runs")]
    subprocess.run(
        [*command, *arguments], check=True, timeout=240, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    (run,) = (tmp_path / "runs").iterdir()
    for name, expected in weights(whole).items():
        torch.testing.assert_close(weights(run)[name], expected, atol=1e-4, rtol=0)


def test_growing_images_end_at_full_size(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from residerm.training.loop import Trainer

    seen: list[int] = []
    gradients = Trainer._gradients

    def note(self: Trainer, images: torch.Tensor, labels: object) -> torch.Tensor:
        seen.append(images.shape[-1])
        return gradients(self, images, labels)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "_gradients", note)
    trained(archive, tmp_path, "--grow-from", "16", model="resnet20", size=48, epochs=3)
    assert seen[0] == 16
    assert seen[-1] == 48
    assert seen == sorted(seen)
    assert len(set(seen)) > 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--grow-from", "32"), "--grow-from 32"),
        (("--grow-from", "16"), "cnn"),
    ],
)
def test_invalid_growth_is_refused(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    assert cli.run(["train", str(archive), *SMALL, *CNN, *options, "--runs", str(tmp_path / "runs")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_tensorboard_curves(archive: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = trained(archive, tmp_path, "--tensorboard", epochs=3)
    drawn = EventAccumulator(str(run / "tensorboard")).Reload()
    rows = [line.split(",") for line in (run / "metrics.csv").read_text().splitlines()]
    column = rows[0].index("train_loss")
    points = [(point.step, point.value) for point in drawn.Scalars("train_loss")]
    assert points == [(int(row[0]), pytest.approx(float(row[column]))) for row in rows[1:]]


def test_missing_tensorboard_error_names_the_extra(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("residerm.training.curves.find_spec", lambda _: None)
    assert cli.run(["train", str(archive), *SMALL, *CNN, "--tensorboard", "--runs", str(tmp_path / "runs")]) == 2
    assert "pip install tensorboard" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_run_names_are_not_truncated_in_a_narrow_terminal(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(archive, tmp_path)
    monkeypatch.setenv("COLUMNS", "60")
    capsys.readouterr()
    assert cli.run(["runs", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert run.name in printed
    assert "all epochs completed" in printed
    assert cli.run(["runs", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["run"] == run.name


@pytest.mark.parametrize(
    ("options", "power", "zero_init"),
    [
        ((), 0.5, True),
        (("--sampling", "over"), 0.0, True),
        (("--logit-adjustment", "1"), 0.0, True),
        (("--class-weight-power", "0.25", "--no-zero-init"), 0.25, False),
        (("--shortcut", "none"), 0.5, None),
    ],
)
def test_effective_options_are_saved(
    archive: Path, tmp_path: Path, options: tuple[str, ...], power: float, zero_init: bool | None
) -> None:
    run = trained(archive, tmp_path, *options, model="resnet20", size=16)
    saved = yaml.safe_load((run / "config.yaml").read_text())
    assert (saved["class_weight_power"], saved["zero_init"]) == (power, zero_init)


def test_zero_init_is_off_with_initial_weights(tmp_path: Path) -> None:
    options = ModelOptions(model="resnet20")
    fresh = build_initial_model(options, 7, 32).model.network
    assert all(block.bn2.weight.detach().abs().sum() == 0 for block in fresh.layer1)
    published = build_initial_model(options, 7, 32, ResNetOptions(zero_init=False)).model.network
    torch.save(published.state_dict(), tmp_path / "weights.pth")
    loaded = build_initial_model(ModelOptions(model="resnet20", weights=tmp_path / "weights.pth"), 7, 32)
    assert loaded.resnet.zero_init is None
    assert all(block.bn2.weight.detach().abs().sum() > 0 for block in loaded.model.network.layer1)


def test_merged_spellings_of_a_class_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = archives.class_folders(tmp_path / "archive", classes=("Mel", "mel", "nv"), images=20)
    run = trained(folders, tmp_path / "runs")
    assert "The labels Mel (20), mel (20) are read as one class, mel" in " ".join(capsys.readouterr().err.split())
    assert json.loads((run / "bundle" / "model.json").read_text())["classes"] == ["mel", "nv"]
    assert "Mel (20), mel (20)" in (run / "data.json").read_text()
