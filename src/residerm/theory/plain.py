"""Networks of the same shape with and without normalisation and shortcuts, in four kinds.

    sigmoid      convolution, sigmoid
    relu         convolution, ReLU
    batchnorm    convolution, BatchNorm, ReLU: residerm's ResNet without its shortcuts
    residual     the same with its shortcuts

All have 6n + 2 layers in three stages of the same width, resolution and stride. Initialisation is poor, all weights
from N(0, 0.01²) as was usual before 2010, or good: Glorot and Bengio's for the sigmoid, He et al.'s for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn

from residerm.config import Shortcut
from residerm.models.resnet import ResNet
from residerm.theory.depths import blocks_per_stage

Kind = Literal["sigmoid", "relu", "batchnorm", "residual"]
Initialisation = Literal["poor", "good"]

KINDS: Mapping[Kind, str] = MappingProxyType(
    {
        "sigmoid": "plain, sigmoid",
        "relu": "plain, ReLU",
        "batchnorm": "plain, ReLU, BatchNorm",
        "residual": "residual",
    }
)
_POOR = 0.01  # standard deviation


class PlainNetwork(nn.Module):
    """A sequence of convolutions and activations, a mean over the image, and a linear classifier."""

    def __init__(self, blocks: int, classes: int, width: int, activation: Callable[[], nn.Module]) -> None:
        """Create as many layers as in a residual network with `blocks` blocks per stage."""
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1, bias=False), activation()]
        channels = width
        for stage in range(3):
            for number in range(2 * blocks):
                inner, stride = width * 2**stage, 2 if stage and not number else 1
                layers += [nn.Conv2d(channels, inner, 3, stride, padding=1, bias=False), activation()]
                channels = inner
        self.layers = nn.Sequential(*layers)
        self.fc = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (n, classes) of normalised images (n, 3, height, width)."""
        logits: Tensor = self.fc(self.layers(images).mean((2, 3)))
        return logits


def network(kind: Kind, depth: int, classes: int, *, width: int, start: Initialisation, seed: int) -> nn.Module:
    """Create an untrained network of a kind."""
    blocks = blocks_per_stage(depth)
    torch.manual_seed(seed)
    if kind in ("batchnorm", "residual"):
        shortcut: Shortcut = "none" if kind == "batchnorm" else "padded"
        bare: nn.Module = ResNet("basic", (blocks,) * 3, classes, width=width, shortcut=shortcut)
    else:
        bare = PlainNetwork(blocks, classes, width, nn.Sigmoid if kind == "sigmoid" else nn.ReLU)
    _initialise(bare, kind, start)
    return bare


def _initialise(bare: nn.Module, kind: Kind, start: Initialisation) -> None:
    for module in bare.modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        if start == "poor":
            nn.init.normal_(module.weight, 0, _POOR)
        elif kind == "sigmoid":
            nn.init.xavier_normal_(module.weight)
        else:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
