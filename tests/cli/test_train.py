"""`residerm train`: the run folder, and killed trainings, which are resumed bitwise identically."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import archives
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from residerm import cli
from residerm.data.archives import open_archive
from residerm.inference import load

SMALL = ("--model", "cnn", "--size", "32", "--batch-size", "16", "--precision", "float32")
CLOCKS = {"seconds"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=105)


def train(archive: Path, runs: Path, *options: str, code: int = 0) -> Path:
    assert cli.run(["train", str(archive), *SMALL, "--runs", str(runs), *options]) == code
    return next(iter(sorted(runs.iterdir())))


def metrics(run: Path) -> list[dict[str, str]]:
    rows = csv.DictReader((run / "metrics.csv").read_text().splitlines())
    return [{name: value for name, value in row.items() if name not in CLOCKS} for row in rows]


def test_run_folder_is_complete(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(archive, tmp_path / "runs", "--epochs", "2", "--class-weight-power", "0.5")
    printed = capsys.readouterr().out
    assert str(run) in printed
    assert run.name.endswith("-cnn-ham10000-32px-s0")
    for name in ("config.yaml", "environment.json", "data.json", "splits.csv", "metrics.csv", "summary.json"):
        assert (run / name).stat().st_size
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}
    assert [row["epoch"] for row in metrics(run)] == ["1", "2"]
    assert yaml.safe_load((run / "config.yaml").read_text())["class_weight_power"] == 0.5
    assert json.loads((run / "data.json").read_text())["split"]["shared_groups"]["train and test"] == 0
    assert json.loads((run / "summary.json").read_text())["stopped"] == "all epochs completed"


def test_config_of_a_run_reproduces_it(archive: Path, tmp_path: Path) -> None:
    first = train(archive, tmp_path / "first", "--epochs", "1", "--mixup", "0.2", "--label-smoothing", "0.1")
    assert cli.run(["train", "--config", str(first / "config.yaml"), "--runs", str(tmp_path / "second")]) == 0
    second = next((tmp_path / "second").iterdir())
    assert metrics(first) == metrics(second)
    assert (first / "bundle" / "model.safetensors").read_bytes() == (
        second / "bundle" / "model.safetensors"
    ).read_bytes()


def test_bundle_predicts_and_has_a_description(archive: Path, tmp_path: Path) -> None:
    run = train(archive, tmp_path / "runs", "--epochs", "1")
    predictor, records = load(run), open_archive(archive)
    images = [records.read(row) for row in range(20)]
    together = predictor.predict(images)
    alone = np.concatenate([predictor.predict([image]) for image in images])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-5)
    assert predictor.description.classes == records.classes
    assert predictor.description.data_licence == "CC BY-NC 4.0"
    assert "Not a medical device" in predictor.description.disclaimer


def start(arguments: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "residerm", "train", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def final(run: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, str]], dict[str, torch.Tensor]]:
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return load_file(run / "bundle" / "model.safetensors"), metrics(run), state["average"]


def assert_same(one: Path, other: Path) -> None:
    """Selected weights, moving average and metrics are bitwise identical."""
    for left, right in zip(final(one), final(other), strict=True):
        if isinstance(left, list):
            assert left == right
        else:
            assert all(torch.equal(left[name], right[name]) for name in left)  # type: ignore[call-overload,index]


BEGUN = "[!.]*/config.yaml"  # of run folders; one that is still being made begins with a dot


# Slowed down, so that it can be met in the middle; a checkpoint after every third step, and slowly written on demand.
SLOWED = """
import sys, time, torch
from residerm.training import loop
loop._SECONDS_BETWEEN_CHECKPOINTS = 0.05
step, save = loop.Trainer.step, torch.save
def slow_step(self, batch):
    time.sleep(0.02)
    return step(self, batch)
def slow_save(content, path):
    if 'slow-save' in sys.argv:
        save(content, path)
        print('saving', flush=True)
        time.sleep(0.2)
        with open(path, 'r+b') as half:
            half.truncate(1000)
        time.sleep(0.2)
    save(content, path)
loop.Trainer.step, torch.save = slow_step, slow_save
from residerm import cli
sys.exit(cli.run([argument for argument in sys.argv[1:] if argument != 'slow-save']))
"""


def slowed(arguments: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SLOWED, "train", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(condition: object, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 240
    while not condition():  # type: ignore[operator]
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < until
        time.sleep(0.01)


def test_training_killed_three_times_gives_identical_weights(archive: Path, tmp_path: Path) -> None:
    """Before the first checkpoint, during an epoch, and while a checkpoint is written."""
    options = [str(archive), *SMALL, "--epochs", "4", "--mixup", "0.3"]
    whole = train(archive, tmp_path / "whole", *options[1 + len(SMALL) :])
    runs = tmp_path / "killed"
    process = start([*options, "--runs", str(runs)])
    wait_for(lambda: runs.is_dir() and any(runs.glob(BEGUN)), process)
    process.kill()
    process.wait()
    (run,) = runs.iterdir()
    process = slowed(["--resume", str(run)])
    wait_for((run / "checkpoints" / "last.ckpt").exists, process)
    time.sleep(0.3)
    process.kill()
    process.wait()
    process = slowed(["--resume", str(run), "slow-save"])
    assert process.stdout is not None
    for line in process.stdout:
        if "saving" in line:
            break
    time.sleep(0.3)
    process.kill()
    process.wait()
    assert not (run / "summary.json").exists()
    assert cli.run(["train", "--resume", str(run)]) == 0
    assert_same(run, whole)


def test_ctrl_c_saves_and_names_the_command_to_resume(archive: Path, tmp_path: Path) -> None:
    options = [str(archive), *SMALL, "--epochs", "3"]
    whole = train(archive, tmp_path / "whole", *options[1 + len(SMALL) :])
    runs = tmp_path / "stopped"
    process = slowed([*options, "--runs", str(runs)])
    wait_for(lambda: any(runs.glob("*/metrics.csv")), process)
    process.send_signal(signal.SIGINT)
    printed = process.communicate(timeout=60)[0]
    (run,) = runs.iterdir()
    assert process.returncode == 130
    assert f"residerm train --resume {run}" in printed
    assert cli.run(["train", "--resume", str(run)]) == 0
    assert_same(run, whole)
    assert cli.run(["train", "--resume", str(run)]) == 2


def test_two_processes_give_the_weights_of_one(archive: Path, tmp_path: Path) -> None:
    """With SGD, float32, equal shards, no augmentation and no batch statistics, they agree to 1e-4."""
    options = [str(archive), *SMALL, "--epochs", "1", "--optimizer", "sgd", "--rate", "0.05", "--no-augment"]
    one = start([*options, "--runs", str(tmp_path / "one")])
    assert one.wait(timeout=300) == 0, one.stdout and one.stdout.read()
    two = start([*options, "--runs", str(tmp_path / "two"), "--devices", "2"])
    printed = two.communicate(timeout=240)[0]
    assert two.returncode == 0, printed
    (alone,), (shared,) = ((tmp_path / name).iterdir() for name in ("one", "two"))
    for name, weights in final(alone)[0].items():
        torch.testing.assert_close(final(shared)[0][name], weights, atol=1e-4, rtol=0)
    assert len(metrics(shared)) == 1


def test_nan_loss_stops_and_keeps_the_last_valid_state(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = ("--optimizer", "sgd", "--rate", "1e30", "--schedule", "constant", "--clip", "0")
    train(archive, tmp_path / "runs", "--epochs", "2", *wild, code=1)
    error = capsys.readouterr().err
    assert "the loss became" in error
    assert "at step" in error
    assert "try a lower --rate" in error
    assert "Traceback" not in error


def test_batch_size_one_without_batch_statistics(archive: Path, tmp_path: Path) -> None:
    options = ("--model", "cnn", "--size", "32", "--batch-size", "1", "--epochs", "1", "--runs", str(tmp_path / "runs"))
    assert cli.run(["train", str(archive), *options]) == 0
    assert np.isfinite(float(metrics(next((tmp_path / "runs").iterdir()))[0]["train_loss"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "resnet5"], "resnet50"),
        (["--batch-size", "1000"], "--batch-size 1000 is larger than the"),
        (["--batch-size", "1", "--model", "logistic"], "a batch of one"),
        (["--devices", "64"], "--devices 64"),
        (["--preset", "papr"], "Did you mean paper"),
        (["--optimizer", "lion"], "--optimizer"),
        (["--epoch", "3"], "--epochs"),
        (["--config", "{tmp}/none.yaml"], "none.yaml"),
        (["--config", "{tmp}/wrong.yaml"], "Did you mean epochs"),
        (["--resume", "{tmp}"], "--resume takes all options"),
        (["--model", "vgg19", "--size", "16"], "give --size 32"),
    ],
)
def test_invalid_usage_is_one_line_and_creates_no_run(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    (tmp_path / "wrong.yaml").write_text("epohcs: 3\n")
    given = [option.format(tmp=tmp_path) for option in options]
    code = cli.run(["train", str(archive), "--runs", str(tmp_path / "runs"), *given])
    error = capsys.readouterr().err
    assert code in (1, 2)
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_training_killed_twenty_times_gives_identical_weights(archive: Path, tmp_path: Path) -> None:
    options = [str(archive), *SMALL, "--epochs", "200"]
    whole = train(archive, tmp_path / "whole", *options[1 + len(SMALL) :])
    runs, random = tmp_path / "killed", np.random.default_rng(0)
    process, kills = slowed([*options, "--runs", str(runs)]), 0
    while kills < 20 or not any(runs.glob(BEGUN)):
        if any(runs.glob(BEGUN)):
            (run,) = (path.parent for path in runs.glob(BEGUN))
            time.sleep(random.uniform(0, 2) if kills % 4 == 0 else random.uniform(4, 7))
            assert process.poll() is None, "the run ended before it was killed often enough"
            process.kill()
            process.wait()
            kills += 1
            process = slowed(["--resume", str(run)])
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert cli.run(["train", "--resume", str(run)]) == 0
    assert_same(run, whole)
