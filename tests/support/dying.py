"""Trainings that end too early: by Ctrl-C in a test's own process, or by SIGKILL in one that was forked.

    python dying.py ARCHIVE FOLDER        die at every write of the end of a training; say how often

The deaths have a process of their own: what other tests have started, threads above all, does not survive a fork.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import torch
from hearing import Heard
from safetensors.torch import load_file
from typing_extensions import override

from residerm.config import Experiment, ModelOptions, PixelSpec, TrainOptions
from residerm.progress import Row
from residerm.runs import Run, open_run
from residerm.training import session


def experiment(archive: Path, **options: object) -> Experiment:
    given = {"epochs": 2, "batch_size": 16, "precision": "float32"} | options
    network, pixels = ModelOptions(model="cnn"), PixelSpec(size=16)
    return Experiment(path=archive, pixels=pixels, network=network, training=TrainOptions.model_validate(given))


def interrupted_after_an_epoch(archive: Path, runs: Path, **options: object) -> Run:
    """A run that Ctrl-C has stopped in its second epoch."""

    class CtrlC(Heard):
        @override
        def epoch(self, row: Row, epochs: int) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    run = session.train(experiment(archive, **options), runs, CtrlC())
    assert not (run.folder / "summary.json").exists()
    return run


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.bundle / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def killed(run: Run, at: int, *, before: bool) -> bool:
    """Resume in a child process that dies before or after its n-th file gets its name; whether it died."""
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


def die_at_every_write(archive: Path, folder: Path) -> int:
    """Die before and after each file at the end of a training gets its name, and go on; the number of deaths."""
    whole = session.train(experiment(archive), folder / "whole")
    begun = interrupted_after_an_epoch(archive, folder / "begun")
    deaths = 0
    for at in range(1, 50):
        for before in (True, False):
            run = Run(folder / f"{at}-{before}")
            shutil.copytree(begun.folder, run.folder)
            if not killed(run, at, before=before):
                return deaths
            deaths += 1
            if not (run.folder / "summary.json").exists():
                session.resume(run.folder)
            assert open_run(run.folder).summary is not None
            assert same(weights(whole), weights(run)), f"killed at write {at}"
            assert not list(run.folder.rglob("*.partial"))
    raise AssertionError("it never ended")


if __name__ == "__main__":
    torch.set_num_threads(1)
    print("deaths:", die_at_every_write(Path(sys.argv[1]), Path(sys.argv[2])))
