"""`residerm demo`: the whole pipeline, with fewer images and epochs unless marked as slow."""

import re
from pathlib import Path

import pytest

from residerm import cli, demonstration
from residerm.config import Experiment, SyntheticOptions, TrainOptions
from residerm.progress import Progress
from residerm.runs import Run


def test_whole_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    quick = dict.fromkeys(demonstration._TRAININGS, TrainOptions(epochs=1))
    monkeypatch.setattr(demonstration, "_TRAININGS", quick)
    monkeypatch.setattr(demonstration, "SyntheticOptions", lambda: SyntheticOptions(images=280, width=64, height=48))
    folder = tmp_path / "demo"
    assert cli.run(["demo", "--out", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "balanced accuracy" in printed
    assert "lower by" in printed
    assert "one image (true class mel)" in printed
    assert "These images are synthetic" in printed
    assert "Not a medical device" in printed
    (report,) = folder.glob("runs/*resnet*/report.html")
    assert "synthetic" in report.read_text()
    assert (folder / "lesion.jpg").stat().st_size


def test_existing_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert cli.run(["demo", "--out", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_stopped_training_ends_it_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(_: Experiment, runs: Path, __: Progress) -> Run:
        return Run(runs / "unfinished")  # as `train` returns after a signal

    monkeypatch.setattr(demonstration, "train", stopped)
    monkeypatch.setattr(demonstration, "SyntheticOptions", lambda: SyntheticOptions(images=70, width=64, height=48))
    assert cli.run(["demo", "--out", str(tmp_path / "demo")]) == 130
    error = capsys.readouterr().err
    assert f"stopped while training resnet18: remove {tmp_path / 'demo'} to start again, or give another --out" in error


@pytest.mark.slow
def test_residual_network_beats_a_linear_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["demo", "--out", str(tmp_path / "demo")]) == 0
    printed = capsys.readouterr().out
    balanced = re.search(r"balanced accuracy ([\d.]+)", printed)
    lower = re.search(r"lower by ([\d.]+)", printed)
    assert balanced
    assert lower
    assert float(balanced[1]) > 0.75
    assert float(lower[1]) >= 0.15
