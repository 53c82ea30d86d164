"""Small runs, and their evaluations by `residerm evaluate`."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from residerm import cli

SMALL = ("--size", "32", "--batch-size", "16", "--epochs", "2", "--precision", "float32")


def train_run(archive: Path, runs: Path, *options: str, model: str = "cnn") -> Path:
    given = ["train", str(archive), "--model", model, *SMALL, *options, "--runs", str(runs)]
    assert cli.run(given) == 0
    (run,) = runs.iterdir()
    return run


def evaluate_run(run: Path, *options: str, folder: str = "ham10000-test") -> dict[str, Any]:
    """Evaluate a run and return its scores.json."""
    assert cli.run(["evaluate", str(run), "--precision", "float32", *options]) == 0
    scores: dict[str, Any] = json.loads((newest_evaluation(run, folder) / "scores.json").read_text())
    return scores


def newest_evaluation(run: Path, name: str = "ham10000-test") -> Path:
    """The folder of the newest evaluation of this name."""
    found = [
        path for path in (run / "evaluations").iterdir() if re.fullmatch(f"{re.escape(name)}-[0-9a-f]{{8}}", path.name)
    ]
    return max(found, key=lambda path: (path / "scores.json").stat().st_mtime_ns)


def read_predictions(run: Path, folder: str = "ham10000-test") -> list[dict[str, str]]:
    with (newest_evaluation(run, folder) / "predictions.csv").open() as stream:
        return list(csv.DictReader(stream))


def refuse(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> str:
    """Run `evaluate`, which must end with this exit code; return the last line of its error message."""
    capsys.readouterr()
    assert cli.run(["evaluate", *arguments]) == code
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error.splitlines()[-1]
