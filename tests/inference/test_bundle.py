"""A bundle on disk: the same network comes back, ready to predict, and what is damaged is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from residerm.config import PixelSpec, ResNetOptions
from residerm.inference import ModelDescription, load
from residerm.inference.bundle import BundleError, read_bundle, write_bundle
from residerm.models import build
from residerm.models.model import Model

NETWORKS = [
    ("resnet18", ResNetOptions(width=8)),
    ("resnet18", ResNetOptions(width=8, preactivation=True)),
    ("resnet20", ResNetOptions(shortcut="none", zero_init=False)),
    ("logistic", ResNetOptions()),
    ("vgg11_bn", ResNetOptions()),  # torch.fx cannot trace it, so that nothing is folded
    ("mobilenetv3_small_050", ResNetOptions()),  # timm's own kind of normalisation
]


def images(count: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def trained(name: str, resnet: ResNetOptions) -> Model:
    """A model whose normalisations have statistics and weights of their own."""
    torch.manual_seed(0)
    model = build(name, 3, 32, resnet=resnet)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    model.set_colours((0.7, 0.5, 0.5), (0.2, 0.2, 0.1))
    return model.eval()


def description(model: Model, resnet: ResNetOptions) -> ModelDescription:
    return ModelDescription(
        model=model.name, resnet=resnet, classes=("a", "b", "c"), task="diagnosis", pixels=PixelSpec(size=32),
        mean=(0.7, 0.5, 0.5), deviation=(0.2, 0.2, 0.1), prior=(0.5, 0.3, 0.2), archive="drawn", synthetic=True,
        data_licence="CC0-1.0", data_citation="none", trained_on=10, selected_by="macro_auc", validation={},
        residerm="0",
    )  # fmt: skip


@pytest.mark.parametrize(("name", "resnet"), NETWORKS)
def test_the_network_that_was_saved_comes_back(tmp_path: Path, name: str, resnet: ResNetOptions) -> None:
    saved = trained(name, resnet)
    write_bundle(saved, description(saved, resnet), tmp_path / "bundle")
    back, said = read_bundle(tmp_path / "bundle")
    assert said == description(saved, resnet)
    assert not back.training
    for (key, value), (key_back, value_back) in zip(
        saved.network.state_dict().items(), back.network.state_dict().items(), strict=True
    ):
        assert key == key_back
        assert torch.equal(value, value_back)
    assert all(one.requires_grad for one in back.network.parameters())


@pytest.mark.parametrize(("name", "resnet"), NETWORKS)
def test_a_predictor_says_what_the_network_says(tmp_path: Path, name: str, resnet: ResNetOptions) -> None:
    saved = trained(name, resnet)
    write_bundle(saved, description(saved, resnet), tmp_path / "bundle")
    pixels = images()
    with torch.inference_mode():
        expected = saved(torch.from_numpy(pixels).permute(0, 3, 1, 2)).softmax(1).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3  # the images are told apart
    np.testing.assert_allclose(load(tmp_path / "bundle").predict_pixels(pixels), expected, atol=1e-5)


@pytest.mark.parametrize("other", ["resnet34", "resnet20"])
def test_weights_of_another_network_are_refused(tmp_path: Path, other: str) -> None:
    saved = trained("resnet18", ResNetOptions())
    said = description(saved, ResNetOptions()).model_copy(update={"model": other})
    write_bundle(saved, said, tmp_path / "bundle")
    with pytest.raises(BundleError, match=f"the weights do not fit {other}; the bundle is damaged"):
        read_bundle(tmp_path / "bundle")
