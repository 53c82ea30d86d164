"""Training runs interrupted by Ctrl-C in the test's own process or killed by SIGKILL in a fork.

    python killed_training.py ARCHIVE FOLDER        kill a training at each of its last writes

It runs in a separate process, because threads started by other tests do not survive a fork.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import torch
from recorded_progress import RecordedProgress
from safetensors.torch import load_file
from typing_extensions import override

from residerm.config import Experiment, ModelOptions, PixelSpec, TrainOptions
from residerm.progress import Row
from residerm.runs import Run, open_run
from residerm.training import session


def make_experiment(archive: Path, **options: object) -> Experiment:
    given = {"epochs": 2, "batch_size": 16, "precision": "float32"} | options
    network, pixels = ModelOptions(model="cnn"), PixelSpec(size=16)
    return Experiment(path=archive, pixels=pixels, network=network, training=TrainOptions.model_validate(given))


def interrupt_after_an_epoch(archive: Path, runs: Path, **options: object) -> Run:
    """Train and press Ctrl-C after the first epoch."""

    class CtrlC(RecordedProgress):
        @override
        def epoch(self, row: Row, epochs: int) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    run = session.train(make_experiment(archive, **options), runs, CtrlC())
    assert not (run.folder / "summary.json").exists()
    return run


def read_weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.bundle / "model.safetensors")


def equal_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def kill_while_resuming(run: Run, at: int, *, before: bool) -> bool:
    """Resume in a child process that is killed before or after its n-th rename; return whether it was killed."""
    child = os.fork()
    if not child:
        rename, done = Path.replace, 0

        def counted(path: Path, target: Path) -> Path:
            nonlocal done
            done += 1
            if done == at and before:
                os.kill(os.getpid(), signal.SIGKILL)
            result = rename(path, target)
            if done == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        Path.replace = counted  # type: ignore[method-assign, assignment]
        try:
            session.resume(run.folder)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def kill_at_every_write(archive: Path, folder: Path) -> int:
    """Kill a training before and after each rename of its end, and resume it; return the number of kills."""
    whole = session.train(make_experiment(archive), folder / "whole")
    begun = interrupt_after_an_epoch(archive, folder / "begun")
    deaths = 0
    for at in range(1, 50):
        for before in (True, False):
            run = Run(folder / f"{at}-{before}")
            shutil.copytree(begun.folder, run.folder)
            if not kill_while_resuming(run, at, before=before):
                return deaths
            deaths += 1
            if not (run.folder / "summary.json").exists():
                session.resume(run.folder)
            assert open_run(run.folder).summary is not None
            assert equal_weights(read_weights(whole), read_weights(run)), f"killed at write {at}"
            assert not list(run.folder.rglob("*.partial"))
    raise AssertionError("it never ended")


if __name__ == "__main__":
    torch.set_num_threads(1)
    print("kills:", kill_at_every_write(Path(sys.argv[1]), Path(sys.argv[2])))
