"""`residerm train --members`: runs of one recipe, joined as an ensemble or a soup."""

from __future__ import annotations

from pathlib import Path

import archives
import numpy as np
import pytest
import yaml

from residerm import cli
from residerm.inference import load
from residerm.inference.bundle import read_description, read_seen
from residerm.runs import open_run

SMALL = ("--model", "cnn", "--batch-size", "16", "--epochs", "1", "--precision", "float32")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=105)


def train(archive: Path, runs: Path, *options: str, size: int = 32) -> list[Path]:
    assert cli.run(["train", str(archive), *SMALL, "--size", str(size), "--runs", str(runs), *options]) == 0
    return sorted(runs.iterdir())


def test_ensemble_averages_the_probabilities_of_its_members(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = train(archive, tmp_path / "runs", "--members", "2", "--seed", "3")
    ensemble = next(path for path in made if path.name.endswith("-ensemble-of-2"))
    members = [path for path in made if path != ensemble]
    printed = capsys.readouterr().out
    assert f"ensemble: {ensemble}" in printed.replace("\n", "")
    assert printed.split("Next: ")[1:] == [f"residerm evaluate {ensemble} --data {archive}\n"]
    assert [yaml.safe_load((run / "config.yaml").read_text())["seed"] for run in members] == [3, 4]
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    mean = np.mean([load(run).outputs(pixels).probabilities for run in members], axis=0)
    np.testing.assert_allclose(load(ensemble).outputs(pixels).probabilities, mean, atol=1e-6)
    description, trust = read_description(ensemble), load(ensemble).trust
    assert description.members == 2
    assert trust is not None
    assert description.trust == trust.summary != load(members[0]).trust.summary  # fitted to what they say together


def test_soup_is_one_network(archive: Path, tmp_path: Path) -> None:
    start = train(archive, tmp_path / "start")[0]
    made = train(archive, tmp_path / "runs", "--weights", str(start), "--members", "2", "--join", "soup")
    soup = next(path for path in made if path.name.endswith("-soup-of-2"))
    assert read_description(soup).members == 1
    assert load(soup).trust is not None
    run = open_run(next(path for path in made if path != soup))
    images = [row.image_id for row in run.splits]
    known = read_seen(soup).knows(images, [""] * len(images), [])
    assert known.tolist() == [row.part != "test" for row in run.splits]


def test_soup_of_random_weights_is_refused_before_training(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--members", "2", "--join", "soup", "--runs", str(tmp_path / "runs")]
    assert cli.run(["train", str(archive), *SMALL, *options]) == 2
    assert "random initial weights is not meaningful" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "runs").exists()


def test_members_with_different_classes_are_not_joined(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = train(archive, tmp_path / "a")[0]
    others = {
        "classes": train(archive, tmp_path / "b", "--task", "malignancy")[0],
        "pixels": train(archive, tmp_path / "c", size=40)[0],
    }
    for name, other in others.items():
        out = tmp_path / f"ensemble-{name}"
        assert cli.run(["export", str(first), str(other), "--out", str(out)]) == 2
        assert f"their {name} differ" in " ".join(capsys.readouterr().err.split())
        assert not out.exists()
