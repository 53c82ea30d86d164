"""Time limits, extended training, and kills at every write, after which training resumes bitwise identically."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import killed_training
import pytest
import torch
from archives import ham10000
from killed_training import equal_weights, make_experiment, read_weights
from recorded_progress import RecordedProgress

from residerm.errors import UsageError
from residerm.runs import Run
from residerm.training import session


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ham10000(tmp_path_factory.mktemp("sessions") / "archive", lesions=105)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # also because threads do not survive a fork
    yield
    torch.set_num_threads(before)


def rows(run: Run) -> list[dict[str, str]]:
    return list(csv.DictReader((run.folder / "metrics.csv").open()))


def test_time_limit_before_the_first_epoch_gives_a_finished_run(archive: Path, tmp_path: Path) -> None:
    run = session.train(make_experiment(archive, max_minutes=1e-6), tmp_path)
    assert (run.folder / "summary.json").exists()
    assert "max_minutes" in (run.folder / "summary.json").read_text()
    assert len(rows(run)) == 1
    with pytest.raises(UsageError, match=r"is finished .*`epochs` or `max_minutes`"):
        session.resume(run.folder)


@pytest.mark.skipif(torch.cuda.is_available(), reason="on CUDA, sums differ in their last bits from run to run")
def test_extended_time_limit_gives_identical_weights(archive: Path, tmp_path: Path) -> None:
    whole = session.train(make_experiment(archive), tmp_path / "whole")
    run = session.train(make_experiment(archive, max_minutes=1e-6), tmp_path / "short")
    session.resume(run.folder, max_minutes=60)
    assert equal_weights(read_weights(whole), read_weights(run))
    assert len(rows(run)) == 2


def test_finished_run_is_trained_for_more_epochs(archive: Path, tmp_path: Path) -> None:
    run = session.train(make_experiment(archive), tmp_path)
    progress = RecordedProgress()
    session.resume(run.folder, epochs=3, progress=progress)
    assert len(rows(run)) == 3
    assert [row["epoch"] for row in progress.epochs] == [3]
    assert any("one-cycle schedule of 3 epochs, after 2 epochs of that of 2" in text for text in progress.remarks)
    assert "epochs: 3" in (run.folder / "config.yaml").read_text()
    with pytest.raises(UsageError, match=r"`epochs=1`.* has already been trained for 3 epochs"):
        session.resume(run.folder, epochs=1)
    assert (run.folder / "summary.json").exists()


def test_kills_at_every_write_at_the_end_of_training(archive: Path, tmp_path: Path) -> None:
    without_cuda = os.environ | {"CUDA_VISIBLE_DEVICES": ""}  # which does not survive a fork
    process = subprocess.run(
        [sys.executable, killed_training.__file__, archive, tmp_path],
        capture_output=True, text=True, check=False, env=without_cuda,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    kills = int(process.stdout.split("kills:")[1])
    assert kills >= 8, "at least rows, weights, checkpoint, bundle and summary"
