"""`kill -9` at random times: finished files stay complete, and unfinished work is resumed bitwise identically.

The commands run in children of a process that has imported their packages, so that kills hit their work and not the
imports that write nothing.
"""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import archives
import numpy as np
import pytest

from residerm import cli

SMALL = ("--model", "cnn", "--size", "32", "--batch-size", "16", "--epochs", "3", "--precision", "float32")
ROUNDS = int(os.environ.get("RESIDERM_KILLS", "40")) // 4  # of each command; RESIDERM_KILLS says how many in all

IMPORTED = ("torch", "torch.onnx", "timm", "lightning_fabric", "sklearn.metrics", "matplotlib.pyplot", "onnxscript")
IMPORTED += ("onnxruntime", "openvino", "residerm.training", "residerm.evaluation", "residerm.inference.export")

pytestmark = pytest.mark.slow


def ended(arguments: list[str], cache: Path, kill_after: float | None = None) -> int:
    """Run a command in a process of its own, killed after some seconds of CPU time if so; its exit code, -9 if killed.

    CPU time, because a machine that is busy now and idle then would let a command end before it is killed.
    """
    child = os.fork()
    if child == 0:
        os.environ["RESIDERM_CACHE"] = str(cache)
        code = 99
        try:
            with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - nothing of it is to be seen
                os.dup2(nowhere.fileno(), 1)
                os.dup2(nowhere.fileno(), 2)
                code = cli.run(arguments)
        finally:
            os._exit(code)
    if kill_after is not None:
        while (used := cpu_seconds(child)) is not None and used < kill_after:
            time.sleep(0.005)
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if kill_after is not None:
        print(f"{arguments[0]}, to be killed after {kill_after:.2f} s: {code}")  # shown by `pytest -rP`
    return code


def cpu_seconds(child: int) -> float | None:
    """The CPU time that a process has taken; None where it has ended."""
    state, *numbers = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return None if state == "Z" else (int(numbers[10]) + int(numbers[11])) / os.sysconf("SC_CLK_TCK")


def timed(arguments: list[str], cache: Path) -> float:
    """The seconds of CPU time that a command takes."""
    start = os.times()
    assert ended(arguments, cache) == 0
    end = os.times()
    return end.children_user + end.children_system - start.children_user - start.children_system


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in IMPORTED:
        importlib.import_module(package)
    return archives.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=70)


@pytest.fixture(scope="module")
def finished(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float, Path]:
    """A run that nothing has disturbed, the seconds that it took, and its cache."""
    folder = tmp_path_factory.mktemp("runs")
    seconds = timed(["train", str(archive), *SMALL, "--runs", str(folder / "runs")], folder / "cache")
    (run,) = (folder / "runs").iterdir()
    return run, seconds, folder / "cache"


def weights(run: Path) -> bytes:
    return (run / "bundle" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("number", range(2 * ROUNDS))
def test_killed_training_and_cache(
    archive: Path, finished: tuple[Path, float, Path], tmp_path: Path, number: int
) -> None:
    random = np.random.default_rng(number)
    whole, seconds, _ = finished
    runs, cache = tmp_path / "runs", tmp_path / "cache"
    begin = ["train", str(archive), *SMALL, "--runs", str(runs)]
    ended(begin, cache, kill_after=random.uniform(0, seconds))
    started = [path for path in runs.glob("*") if not path.name.startswith(".")] if runs.exists() else []
    again = ["train", "--resume", str(started[0])] if started else begin
    if number % 2:
        ended(again, cache, kill_after=random.uniform(0, seconds))
        started = [path for path in runs.glob("*") if not path.name.startswith(".")] if runs.exists() else []
        again = ["train", "--resume", str(started[0])] if started else begin
    if not (started and (started[0] / "summary.json").exists()):
        assert ended(again, cache) == 0
    (run,) = (path for path in runs.glob("*") if not path.name.startswith("."))
    assert weights(run) == weights(whole)


@pytest.fixture(scope="module")
def evaluated(finished: tuple[Path, float, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The run with an evaluation that nothing has disturbed, and the seconds that it took."""
    whole, _, cache = finished
    run = Path(shutil.copytree(whole, tmp_path_factory.mktemp("evaluated") / "reference"))
    return run, timed(["evaluate", str(run)], cache)


@pytest.fixture(scope="module")
def exported(finished: tuple[Path, float, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """An export that nothing has disturbed, and the seconds that it took."""
    whole, _, cache = finished
    out = tmp_path_factory.mktemp("exported") / "reference"
    return out, timed(["export", str(whole), "--to", "onnx", "--out", str(out)], cache)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_killed_evaluation(
    finished: tuple[Path, float, Path], evaluated: tuple[Path, float], tmp_path: Path, number: int
) -> None:
    whole, _, cache = finished
    reference, seconds = evaluated
    run = Path(shutil.copytree(whole, tmp_path / whole.name))
    ended(["evaluate", str(run)], cache, kill_after=np.random.default_rng(number).uniform(0, seconds))
    assert weights(run) == weights(whole)
    assert ended(["evaluate", str(run)], cache) == 0
    tables = [sorted((one / "evaluations").glob("[!.]*/predictions.csv")) for one in (run, reference)]
    assert [path.read_bytes() for path in tables[0]] == [path.read_bytes() for path in tables[1]]
    assert (run / "report.html").exists()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_killed_export(
    finished: tuple[Path, float, Path], exported: tuple[Path, float], tmp_path: Path, number: int
) -> None:
    whole, _, cache = finished
    reference, seconds = exported
    export: Callable[[Path], list[str]] = lambda out: ["export", str(whole), "--to", "onnx", "--out", str(out)]  # noqa: E731
    out = tmp_path / "out"
    code = ended(export(out), cache, kill_after=np.random.default_rng(number).uniform(0, seconds))
    assert out.exists() or code != 0
    if not out.exists():
        assert ended(export(out), cache) == 0
    names = [sorted(path.name for path in one.iterdir()) for one in (out, reference)]
    assert names[0] == names[1]
