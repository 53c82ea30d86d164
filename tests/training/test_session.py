"""Limits, extensions, and a death at every write: what was finished is whole, what was not goes on to the bit."""

from __future__ import annotations

import csv
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from hearing import Heard
from making import ham10000
from safetensors.torch import load_file
from typing_extensions import override

from residerm.config import Experiment, ModelOptions, PixelSpec, TrainOptions
from residerm.errors import UsageError
from residerm.progress import Row
from residerm.runs import Run, open_run
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


def rows(run: Run) -> list[dict[str, str]]:
    return list(csv.DictReader((run.folder / "metrics.csv").open()))


def test_time_that_is_up_before_the_first_epoch_ends_a_finished_run(archive: Path, tmp_path: Path) -> None:
    run = session.train(experiment(archive, max_minutes=1e-6), tmp_path)
    assert (run.folder / "summary.json").exists()
    assert "max_minutes" in (run.folder / "summary.json").read_text()
    assert len(rows(run)) == 1
    with pytest.raises(UsageError, match=r"is finished .*`epochs` or `max_minutes`"):
        session.resume(run.folder)


def test_more_time_goes_on_as_if_nothing_had_stopped_it(archive: Path, tmp_path: Path) -> None:
    whole = session.train(experiment(archive), tmp_path / "whole")
    run = session.train(experiment(archive, max_minutes=1e-6), tmp_path / "short")
    session.resume(run.folder, max_minutes=60)
    assert same(weights(whole), weights(run))
    assert len(rows(run)) == 2


def test_more_epochs_train_a_finished_run_further(archive: Path, tmp_path: Path) -> None:
    run = session.train(experiment(archive), tmp_path)
    heard = Heard()
    session.resume(run.folder, epochs=3, progress=heard)
    assert len(rows(run)) == 3
    assert [row["epoch"] for row in heard.epochs] == [3]
    assert any("one-cycle schedule of 3 epochs, after 2 epochs of that of 2" in text for text in heard.remarks)
    assert "epochs: 3" in (run.folder / "config.yaml").read_text()
    with pytest.raises(UsageError, match=r"`epochs=1`.* has been trained for 3 epochs already"):
        session.resume(run.folder, epochs=1)
    assert (run.folder / "summary.json").exists()


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


def test_death_at_every_write_of_the_end_of_a_training(archive: Path, tmp_path: Path) -> None:
    whole = session.train(experiment(archive), tmp_path / "whole")
    begun = interrupted_after_an_epoch(archive, tmp_path / "begun")
    deaths = 0
    for at in range(1, 50):
        for before in (True, False):
            run = Run(tmp_path / f"{at}-{before}")
            shutil.copytree(begun.folder, run.folder)
            if not killed(run, at, before=before):
                assert deaths >= 8, "rows, weights, checkpoint, bundle and summary at the least"
                return
            deaths += 1
            if not (run.folder / "summary.json").exists():
                session.resume(run.folder)
            assert open_run(run.folder).summary is not None
            assert same(weights(whole), weights(run)), f"killed at write {at}"
            assert not list(run.folder.rglob("*.partial"))
    pytest.fail("it never ended")
