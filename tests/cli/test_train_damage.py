"""Runs that are in use, damaged or on a full disk: one message each, and unchanged files."""

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import archives
import pytest
from system_limits import tiny_disk

from residerm import cli
from residerm.runs import Run

SMALL = ("--size", "32", "--batch-size", "16", "--precision", "float32", "--epochs", "1")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=70)


@pytest.fixture(scope="module")
def finished(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(archive, tmp_path_factory.mktemp("runs"))


@pytest.fixture
def unfinished(finished: Path, tmp_path: Path) -> Path:
    """The same run, interrupted between its last checkpoint and its end."""
    folder = Path(shutil.copytree(finished, tmp_path / finished.name))
    (folder / "summary.json").unlink()
    shutil.rmtree(folder / "bundle")
    return folder


def trained(archive: Path, runs: Path, model: str = "cnn") -> Path:
    assert cli.run(["train", str(archive), *SMALL, "--model", model, "--runs", str(runs)]) == 0
    (run,) = runs.iterdir()
    return run


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def refused(run: Path, capsys: pytest.CaptureFixture[str], code: int = 1) -> str:
    """Resume a run, which must fail without changes; return the message."""
    before = content(run)
    capsys.readouterr()
    assert cli.run(["train", "--resume", str(run)]) == code
    error = capsys.readouterr().err
    assert content(run) == before
    (line,) = [line for line in error.splitlines() if not line.startswith("note:")]
    return line


def test_run_interrupted_before_its_end_is_completed(unfinished: Path, finished: Path) -> None:
    assert cli.run(["train", "--resume", str(unfinished)]) == 0
    name = "bundle/model.safetensors"
    assert (unfinished / name).read_bytes() == (finished / name).read_bytes()


def test_run_in_use(unfinished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Run(unfinished).in_use():
        assert "is being trained by another process" in refused(unfinished, capsys)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("data.json", Path.unlink, "data.json missing"),
        ("splits.csv", cut, "its split differs"),
        ("config.yaml", lambda path: path.write_text("epochs: ["), "cannot be read as YAML"),
        ("config.yaml", lambda path: path.write_text(path.read_text() + "epochs: none"), "epochs is 'none'"),
        ("checkpoints/last.ckpt", cut, "last.ckpt is truncated or not a checkpoint"),
        ("checkpoints/last.ckpt", lambda path: path.write_bytes(b""), "last.ckpt is truncated or not a checkpoint"),
        ("checkpoints/best.ckpt", cut, "best.ckpt is truncated or not a checkpoint"),
    ],
)
def test_damaged_run(
    unfinished: Path, capsys: pytest.CaptureFixture[str], name: str, damage: Callable[[Path], object], message: str
) -> None:
    damage(unfinished / name)
    assert cli.run(["train", "--resume", str(unfinished)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "--config" not in error  # which was not given
    assert "Traceback" not in error
    assert not (unfinished / "bundle").exists()


def test_checkpoint_of_another_model(
    archive: Path, unfinished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = trained(archive, tmp_path / "other", "logistic")
    shutil.copy(other / "checkpoints" / "last.ckpt", unfinished / "checkpoints" / "last.ckpt")
    assert "is a checkpoint of another model" in refused(unfinished, capsys)


def test_folder_that_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is not a run" in refused(tmp_path, capsys)


@pytest.mark.parametrize(
    ("kilobytes", "file"), [(60, "best.ckpt"), (150, "last.ckpt"), (470, "bundle")], ids=("best", "last", "bundle")
)
def test_full_disk(archive: Path, kilobytes: int, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    with tiny_disk(kilobytes) as disk:
        assert cli.run(["train", str(archive), *SMALL, "--model", "cnn", "--runs", str(disk / "runs")]) == 1
        error = capsys.readouterr().err
        assert f"{file}: the disk is full; make room" in error
        assert "Traceback" not in error
        (run,) = (disk / "runs").iterdir()
        assert not [path for path in run.rglob("*") if ".partial" in path.name]
        subprocess.run(["mount", "-o", "remount,size=4096k", disk], check=True)
        assert cli.run(["train", "--resume", str(run)]) == 0
        assert (run / "bundle" / "model.json").is_file()
