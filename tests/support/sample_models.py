"""Small models with descriptions, ready to be written as bundles."""

import archives
import numpy as np
import torch
from torch import nn

from residerm.config import PixelSpec, ResNetOptions
from residerm.inference import ModelDescription
from residerm.inference.measuring import Sample
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


def make_images(count: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def make_model(name: str, resnet: ResNetOptions) -> Model:
    """A model whose normalisation layers have random weights and statistics."""
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


def make_description(model: Model, resnet: ResNetOptions) -> ModelDescription:
    return ModelDescription(
        model=model.name, resnet=resnet, classes=("a", "b", "c"), task="diagnosis", pixels=PixelSpec(size=32),
        mean=(0.7, 0.5, 0.5), deviation=(0.2, 0.2, 0.1), prior=(0.5, 0.3, 0.2), archive="drawn", synthetic=True,
        data_licence="CC0-1.0", data_citation="none", trained_on=10, selected_by="macro_auc", validation={},
        residerm="0",
    )  # fmt: skip


def make_sample(count: int = 40, classes: int = 3, seed: int = 0) -> Sample:
    """Distinct images with labels that are independent of them."""
    labels = np.random.default_rng(seed).permutation(np.arange(count) % classes)
    return Sample("drawn", lambda number: archives.make_jpeg(1000 * seed + number, (60, 40)), labels, np.arange(count))
