"""Averaging the weights of runs from the same initial weights, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import archives
import numpy as np
import pytest
from safetensors.torch import load_file

from residerm import cli
from residerm.errors import UsageError
from residerm.inference.bundle import read_description
from residerm.runs import open_run
from residerm.training.soup import make_soup

SMALL = ("--model", "cnn", "--batch-size", "16", "--precision", "float32")
Train = Callable[..., Path]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=105)


@pytest.fixture(scope="module")
def trained(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Train runs of one epoch in separate folders."""

    def train(*options: str, size: int = 32) -> Path:
        runs = tmp_path_factory.mktemp("runs")
        given = [*SMALL, "--size", str(size), "--epochs", "1", "--runs", str(runs), *options]
        assert cli.run(["train", str(archive), *given]) == 0
        return next(runs.iterdir())

    return train


@pytest.fixture(scope="module")
def start(trained: Train) -> Path:
    return trained()


@pytest.fixture(scope="module")
def two(trained: Train, start: Path) -> list[Path]:
    return [trained("--weights", str(start), "--seed", seed) for seed in "12"]


def test_soup_is_the_mean_and_not_worse_than_the_best_run(two: list[Path], tmp_path: Path) -> None:
    soup = make_soup(two, tmp_path / "soup")
    weights = load_file(soup.bundle / "model.safetensors")
    parts = [load_file(run / "bundle" / "model.safetensors") for run in soup.runs]
    for name, value in weights.items():
        mean = np.mean([part[name].numpy() for part in parts], axis=0)
        np.testing.assert_allclose(value.numpy(), mean, rtol=1e-6, atol=1e-7)
    alone = [open_run(run).summary.validation["macro_auc"] for run in two]
    assert soup.scores["macro_auc"] >= max(alone) - 1e-6
    assert read_description(soup.bundle).selected_by == f"soup of {len(soup.runs)} runs by validation macro_auc"


def test_runs_from_random_weights_are_refused(start: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"started from random weights.*join them as an ensemble"):
        make_soup([start, start], tmp_path / "soup")
    assert not (tmp_path / "soup").exists()


@pytest.mark.parametrize(
    ("options", "size", "differing"),
    [
        (("--task", "malignancy"), 32, "classes"),
        ((), 40, "pixels"),
        (("--split-seed", "5"), 32, "their split"),
    ],
)
def test_runs_that_disagree_are_refused(
    trained: Train, two: list[Path], tmp_path: Path, options: tuple[str, ...], size: int, differing: str
) -> None:
    begun = trained(*options, size=size)
    other = trained("--weights", str(begun), *options, size=size)
    with pytest.raises(UsageError, match=f"differ in {differing}, and cannot be averaged"):
        make_soup([two[0], other], tmp_path / "soup")
    assert not (tmp_path / "soup").exists()


def test_runs_from_different_initial_weights_are_refused(trained: Train, two: list[Path], tmp_path: Path) -> None:
    other = trained("--weights", str(two[0]))
    with pytest.raises(UsageError, match="started from different weights"):
        make_soup([two[0], other], tmp_path / "soup")


def test_single_run_is_refused(start: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two or more"):
        make_soup([start], tmp_path / "soup")
