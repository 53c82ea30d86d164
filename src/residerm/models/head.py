"""The outputs of a network besides its logits: the features before its classifier, and the maps that they average.

    head = head_of(network, ("fc",), size=64)
    logits, features, maps = head.outputs(network, images)          maps (n, h, w, d), or None

The structure is detected from the values for one random image, not from the name of the network. The features of a
ResNet are the mean of its maps over the image, followed by one linear layer. VGG19 and the paper's convolutional
network have features, but no such maps; logistic regression has neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Head:
    """The available outputs of a network; `classifier` is the linear layer that maps the features to the logits."""

    features: int = 0  # their number; 0: there are none
    classifier: str | None = None
    maps: Literal["channels first", "channels last"] | None = None
    grid: tuple[int, int] | None = None  # height and width of the maps

    def outputs(self, network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Logits (n, classes), features (n, d) and maps (n, h, w, d) of normalised images (n, 3, size, size)."""
        if not self.features:
            return network(images), None, None
        body: Any = network
        found = body.forward_features(images)
        features = body.forward_head(found, pre_logits=True)
        if self.classifier is None:
            logits = body.forward_head(found)
        else:
            logits = network.get_submodule(self.classifier)(features)
        return logits, features, self._last(found)

    def linear(self, network: nn.Module) -> nn.Linear | None:
        """The linear layer after global average pooling; None if there is none."""
        if self.classifier is None or self.maps is None:
            return None
        layer = network.get_submodule(self.classifier)
        assert isinstance(layer, nn.Linear)
        return layer

    def _last(self, maps: Tensor) -> Tensor | None:
        """The maps with channels last; None if the features are not their mean."""
        return maps.permute(0, 2, 3, 1) if self.maps == "channels first" else maps if self.maps else None


def head_of(network: nn.Module, classifier: Sequence[str], size: int) -> Head:
    """Detect the outputs of a network with one random image; the network is left in evaluation mode."""
    network.eval()
    parameter = next(network.parameters())
    draw = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, size, size, generator=draw).to(parameter.device, parameter.dtype)
    with torch.no_grad(), torch.autocast(parameter.device.type, enabled=False):
        expected = network(image)
        try:
            body: Any = network
            found = body.forward_features(image)
            features = body.forward_head(found, pre_logits=True)
        except (AttributeError, TypeError):  # a network without this pair of functions, or without `pre_logits`
            return Head()
        if features.ndim != 2:
            return Head()
        maps = _averaged(found, features)
        grid = None if maps is None else found.shape[2:4] if maps == "channels first" else found.shape[1:3]
        linear = _linear(network, classifier, features, expected)
        return Head(features.shape[1], linear, maps, None if grid is None else (grid[0], grid[1]))


def _linear(network: nn.Module, classifier: Sequence[str], features: Tensor, logits: Tensor) -> str | None:
    """The name of the linear layer that maps the features to the logits, if there is a single one."""
    for name in classifier:
        layer = network.get_submodule(name)
        if isinstance(layer, nn.Linear) and layer.in_features == features.shape[1]:
            return name if _close(layer(features), logits) else None
    return None


def _averaged(maps: Any, features: Tensor) -> Literal["channels first", "channels last"] | None:
    """The channel order of the maps, if the features are their mean, else None."""
    if not isinstance(maps, Tensor) or maps.ndim != 4:
        return None
    if maps.shape[1] == features.shape[1] and _close(maps.mean((2, 3)), features):
        return "channels first"
    if maps.shape[3] == features.shape[1] and _close(maps.mean((1, 2)), features):
        return "channels last"
    return None


def _close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-3, atol=1e-4, equal_nan=True)  # weights that overflow change no structure
