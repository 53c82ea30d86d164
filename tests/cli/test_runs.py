"""`residerm runs`: one line per run with task, split and test score, sorted within the task."""

import json
import shutil
from pathlib import Path

import pytest
import sample_runs

from residerm import cli


def named(folder: Path, name: str, *, strength: float | None, task: str = "diagnosis") -> None:
    """A finished run, evaluated unless `strength` is None."""
    made = sample_runs.make_run(folder / name)
    sample_runs.update_json(made.folder / "bundle" / "model.json", task=task)
    if strength is not None:
        sample_runs.make_evaluation(made, strength=strength)
    made.folder.rename(folder / "runs" / name)
    shutil.rmtree(folder / name)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    named(tmp_path, "a", strength=0.5)
    named(tmp_path, "b", strength=4.0)
    named(tmp_path, "c", strength=3.0, task="malignancy")
    named(tmp_path, "d", strength=None)
    return tmp_path / "runs"


def listed(runs: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, object]]:
    assert cli.run(["runs", str(runs), "--json", *options]) == 0
    lines: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return lines


def test_runs_are_grouped_by_task_and_sorted_by_test_score(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [line["run"] for line in listed(runs, capsys)] == ["a", "b", "d", "c"]
    lines = listed(runs, capsys, "--sort", "test")
    assert [line["run"] for line in lines] == ["b", "a", "d", "c"]
    assert [line["task"] for line in lines] == ["diagnosis"] * 3 + ["malignancy"]
    assert "test" not in lines[2]
    assert lines[0]["split"] == "0123abcd" * 8


def test_table_shows_task_split_and_test_score_with_interval(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["runs", str(runs)]) == 0
    printed = capsys.readouterr().out
    assert f"{runs}: diagnosis" in printed
    assert f"{runs}: malignancy" in printed
    assert "0123abcd" in printed
    assert " to " in printed


def test_damaged_run_does_not_hide_the_others(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "a" / "data.json").write_text("{")
    lines = listed(runs, capsys)
    assert {line["run"] for line in lines} == {"a", "b", "c", "d"}
    assert "data.json cannot be used" in str(lines[0]["ended"])


def test_a_run_in_place_of_the_folder_of_runs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["runs", str(runs / "a")]) == 2
    assert f"{runs / 'a'} is a run: give the folder that contains it, {runs}" in capsys.readouterr().err
