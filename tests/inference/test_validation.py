"""Malicious and damaged bundles are refused when they are loaded."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from residerm import cli
from residerm.config import PixelSpec, ResNetOptions
from residerm.disclaimer import DISCLAIMER
from residerm.inference import ModelDescription, load, read_description
from residerm.inference.bundle import write_bundle
from residerm.inference.validation import BundleError, require_finite
from residerm.models import build

SAID = {
    "model": "resnet20", "classes": ("a", "b", "c"), "task": "diagnosis", "mean": (0.7, 0.5, 0.5),
    "deviation": (0.2, 0.2, 0.1), "prior": (0.5, 0.3, 0.2), "archive": "drawn", "synthetic": True,
    "data_licence": "CC0-1.0", "data_citation": "none", "trained_on": 10, "selected_by": "macro_auc", "validation": {},
    "residerm": "0",
}  # fmt: skip


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    description = ModelDescription(**SAID, resnet=ResNetOptions(width=4), pixels=PixelSpec(size=32))
    return write_bundle(build("resnet20", 3, 32, resnet=description.resnet), description, tmp_path / "bundle")


def change_weight(bundle: Path, change: Callable[[torch.Tensor], torch.Tensor], name: str = "conv1.weight") -> None:
    weights = load_file(bundle / "model.safetensors")
    weights[name] = change(weights[name])
    save_file(weights, bundle / "model.safetensors")


def change_description(bundle: Path, **changes: object) -> None:
    path = bundle / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def first_value(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(tensor: torch.Tensor) -> torch.Tensor:
        changed = tensor.clone()
        changed.view(-1)[0] = value
        return changed

    return change


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30, -1e13])
def test_non_finite_or_huge_weights(bundle: Path, value: float) -> None:
    change_weight(bundle, first_value(value))
    with pytest.raises(BundleError, match=r"conv1.weight has values that are not finite, or larger than 1e\+12"):
        load(bundle)


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16, torch.float16, torch.complex64, torch.int32])
def test_weights_of_another_precision(bundle: Path, kind: torch.dtype) -> None:
    change_weight(bundle, lambda tensor: tensor.to(kind))
    name = str(kind).removeprefix("torch.")
    with pytest.raises(BundleError, match=f"conv1.weight is {name} instead of float32"):
        load(bundle)


def test_integers_in_place_of_weights(bundle: Path) -> None:
    change_weight(bundle, lambda tensor: tensor.to(torch.int64))
    with pytest.raises(BundleError, match="the weights do not fit resnet20"):
        load(bundle)


def test_negative_variances(bundle: Path) -> None:
    change_weight(bundle, first_value(-1.0), "bn1.running_var")
    with pytest.raises(BundleError, match=r"bn1.running_var has negative variances"):
        load(bundle)


def test_non_finite_outputs(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Valid weights whose products overflow are an error instead of a prediction."""
    for name in load_file(bundle / "model.safetensors"):
        if name.endswith("conv1.weight"):
            change_weight(bundle, lambda tensor: tensor.fill_(1e12), name)
        if name.endswith("running_var"):
            change_weight(bundle, lambda tensor: tensor.fill_(1e-12), name)
    predictor = load(bundle)
    with pytest.raises(BundleError, match="returned outputs that are not finite"):
        predictor.outputs(np.full((1, 32, 32, 3), 255, np.uint8))
    picture = tmp_path / "a.ppm"
    picture.write_bytes(b"P6 32 32 255\n" + bytes([255] * 32 * 32 * 3))
    assert cli.run(["predict", str(bundle), str(picture), "--json"]) == 1
    assert capsys.readouterr().out == ""


def test_finite_outputs_pass() -> None:
    require_finite(np.zeros((0, 3)), "a model")
    require_finite(np.full((2, 3), 1e30), "a model")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"deviation": [0.2, 0, 0.2]}, "deviation.1: Input should be greater than or equal to 0.001"),
        ({"deviation": [0.2, math.nan, 0.2]}, "deviation.1: Input should be a finite number"),
        ({"mean": [math.inf, 0.5, 0.5]}, "mean.0: Input should be a finite number"),
        ({"mean": [1e9, 0.5, 0.5]}, "mean.0: Input should be less than or equal to 1"),
        ({"prior": [0.5, 0.5]}, "prior has 2 values for 3 classes"),
        ({"prior": [0.5, 0.5, 0.5]}, "the values of prior sum to 1.5, not to 1"),
        ({"prior": [0.5, 0.7, -0.2]}, "prior.2: Input should be greater than or equal to 0"),
        ({"classes": ["a", "b", "a"]}, "two classes have the same name"),
        ({"classes": ["a", "b", ""]}, "classes.2: String should have at least 1 character"),
        ({"classes": []}, "classes: Tuple should have at least 1 item"),
        ({"pixels": {"size": 10**9}}, "pixels.size: Input should be less than or equal to 1024"),
        ({"validation": {"accuracy": math.nan}}, "validation.accuracy: Input should be a finite number"),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
        ({"model": 3}, "model: Input should be a valid string"),
    ],
)
def test_invalid_descriptions(bundle: Path, changes: dict[str, object], complaint: str) -> None:
    change_description(bundle, **changes)
    with pytest.raises(BundleError) as caught:
        read_description(bundle)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe\0", b" " * (2**22 + 1), b"1" * 10_000, b"null"]
)
def test_invalid_model_json(bundle: Path, content: bytes) -> None:
    (bundle / "model.json").write_bytes(content)
    with pytest.raises(BundleError):
        read_description(bundle)


def test_pipe_in_place_of_the_weights(bundle: Path) -> None:
    (bundle / "model.safetensors").unlink()
    os.mkfifo(bundle / "model.safetensors")
    with pytest.raises(BundleError, match="not a regular file"):
        load(bundle)


def test_control_characters_in_texts(bundle: Path) -> None:
    steering = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m\nline"
    change_description(bundle, classes=["a", "b\x1b[31m", "c"], archive=steering, data_licence=steering)
    description = read_description(bundle)
    assert description.classes == ("a", "b?[31m", "c")
    assert description.archive == description.data_licence == "?]0;owned??[2J??31m?line"


def test_disclaimer_is_not_read_from_the_bundle(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_description(bundle, disclaimer="This IS a diagnosis.")
    picture = tmp_path / "a.ppm"
    picture.write_bytes(b"P6 32 32 255\n" + bytes(32 * 32 * 3))
    assert cli.run(["predict", str(bundle), str(picture)]) == 0
    printed = capsys.readouterr().out
    assert DISCLAIMER in printed
    assert "IS a diagnosis" not in printed
    assert read_description(bundle).disclaimer == DISCLAIMER
