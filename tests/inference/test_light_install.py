"""Exported models in the base package, without torch and the packages for training, scoring and drawing.

After `make test-light` has installed residerm in a new environment, the tests run there. Otherwise, they run in this
is tried in this environment, with the packages made impossible to import.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import archives
import numpy as np
import pytest

from residerm.inference import load
from residerm.inference.neighbours import TrainingImages

ABSENT = (
    "torch", "torchvision", "timm", "sklearn", "scipy", "matplotlib", "imblearn", "lightning_fabric", "safetensors",
    "onnx", "openvino",
)  # fmt: skip
MOST_MEGABYTES = 400


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "one.jpg"
    path.write_bytes(archives.make_jpeg(5000, (60, 40)))
    return path


def without(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process where what the base package does not bring cannot be imported."""
    code = f"import sys\nfor name in {ABSENT}: sys.modules[name] = None\nfrom residerm.cli import main\nmain()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def light(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line of the light installation."""
    installed = Path(os.environ["RESIDERM_LIGHT"]) / "bin" / "residerm"
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([installed, *arguments], capture_output=True, text=True, check=False, env=alone)


def test_predict_needs_no_torch(exported: Path, image: Path) -> None:
    done = without("predict", str(exported), str(image), "--json")
    assert done.returncode == 0, done.stderr
    shares = json.loads(done.stdout)["predictions"][0]["probabilities"]
    expected = load(exported, runtime="onnx").predict([image])[0]
    np.testing.assert_allclose(list(shares.values()), expected, atol=1e-5)


def test_explain_with_neighbours_needs_no_torch(exported: Path, image: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(exported, tmp_path / "model"))
    features = np.random.default_rng(0).normal(size=(20, load(exported).description.features))
    kept = TrainingImages.of(features, np.arange(20) % 3, [f"image {number}" for number in range(20)])
    kept.write(model / "neighbours.npz")
    done = without("explain", str(model), str(image), "--neighbours", "3", "--out", str(tmp_path / "out"), "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["images"]
    assert found["method"] == "cam"
    assert len(found["neighbours"]) == 3


def test_missing_packages_error_names_the_extra(bundle: Path, image: Path) -> None:
    for arguments in (["train", str(image.parent)], ["predict", str(bundle), str(image)]):
        done = without(*arguments)
        assert done.returncode == 1
        assert "pip install 'residerm[train]'" in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.light
def test_light_installation(exported: Path, image: Path, tmp_path: Path) -> None:
    archive = archives.ham10000(tmp_path / "archive", lesions=21)
    done = light("predict", str(exported), str(image), "--json")
    assert done.returncode == 0, done.stderr
    shares = json.loads(done.stdout)["predictions"][0]["probabilities"]
    np.testing.assert_allclose(list(shares.values()), load(exported).predict([image])[0], atol=1e-5)
    for arguments in (
        ["data", "list"], ["data", "check", str(archive)], ["data", "stats", str(archive)],
        ["data", "split", str(archive), "--out", str(tmp_path / "split")], ["runs", str(tmp_path)],
    ):  # fmt: skip
        done = light(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)
    assert "pip install 'residerm[train]'" in light("train", str(archive)).stderr


@pytest.mark.light
def test_light_installation_is_small() -> None:
    installed = Path(os.environ["RESIDERM_LIGHT"])
    size = sum(path.stat().st_size for path in installed.rglob("*") if path.is_file() and not path.is_symlink())
    assert size < MOST_MEGABYTES * 1e6
    found = {path.name for path in installed.glob("lib/python*/site-packages/*")}
    assert not found & set(ABSENT)
