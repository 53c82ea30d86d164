"""Estimating the time of a training from a few steps."""

import archives
import numpy as np
import pytest

from residerm.config import Experiment
from residerm.data.dataset import Dataset
from residerm.training import dry_run
from residerm.training.assembly import prepare
from residerm.training.loop import Trainer
from residerm.training.recipe import size_at


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    archive = archives.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=35)
    options = {"path": archive, "model": "resnet20", "size": 64, "grow_from": 16, "batch_size": 8, "epochs": 50}
    return prepare(Experiment.from_flat(options, "test"))


def test_growing_images_are_timed_at_their_sizes(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the time of a step is proportional to its pixels, the estimate is the mean over all steps."""

    def seconds(trainer: Trainer, step: int) -> float:
        return float(size_at(step, trainer.steps, 64, trainer.options) ** 2)

    monkeypatch.setattr(dry_run, "stretch_of", lambda trainer: lambda _: 1 / seconds(trainer, trainer.state.updates))
    trainer = dry_run._alone(dataset)
    mean = np.mean([seconds(trainer, step) for step in range(trainer.steps)])
    assert 1 / dry_run._training_speed(trainer) == pytest.approx(mean, rel=0.05)


def test_images_of_one_size_are_timed_once(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(dry_run, "stretch_of", lambda _: lambda steps: asked.append(steps) or 16.0)
    trainer = dry_run._alone(dataset)
    trainer.options = trainer.options.model_copy(update={"grow_from": None})
    assert dry_run._training_speed(trainer) == 16
    assert len(asked) == 3  # to warm up, to see how many steps fit, and to measure


def test_calibration_is_included(dataset: Dataset) -> None:
    assert dry_run._predicted_at_the_end(dataset) == len(dataset.training_rows) + 9 * len(dataset.validation_rows)
