"""What is trained, saved and served: colour normalisation, then a network.

A `Model` takes RGB of 0 to 255 as it comes from the cache or a decoder, uint8 or floating-point, and normalises it in
its first layer, so that no caller can do it otherwise. The network is a child of its own rather than a subclass or a
hook: `model.network.state_dict()` has the keys of timm and torchvision, unprefixed, and that is what is saved as
weights; whatever reads `model.network` (explanations, exports, timm itself) meets an ordinary network. Mean and
deviation are in no state dict: they belong to the model's description.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from residerm.models.head import Head, head_of

Colour = tuple[float, float, float]  # red, green, blue, of 0 to 1

IMAGENET_MEAN: Colour = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION: Colour = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters whose learning rate is multiplied by the same factor."""

    parameters: list[nn.Parameter]
    factor: float


class Model(nn.Module):
    """A network for square images of `size` pixels in `classes` classes."""

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str,
        classes: int,
        size: int,
        classifier: tuple[str, ...],
    ) -> None:
        """`classifier` names the network's last layer, or layers; all else is its backbone. Colours are ImageNet's."""
        super().__init__()
        self.normalise = Normalise(IMAGENET_MEAN, IMAGENET_DEVIATION)
        self.network = network
        self.name, self.classes, self.size, self.classifier = name, classes, size, classifier
        self.frozen = False
        self._head: Head | None = None

    def set_colours(self, mean: Colour, deviation: Colour) -> None:
        """Normalise by these from now on."""
        self.normalise = Normalise(mean, deviation).to(self.normalise.mean.device)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, 3, size, size)."""
        logits: Tensor = self.network(self.normalise(images))
        return logits

    def clear_classifier(self) -> None:
        """Let the classifier begin at zero: all classes equally probable, and a loss of log(classes)."""
        for name in self.classifier:
            for parameter in self.network.get_submodule(name).parameters():
                nn.init.zeros_(parameter)

    @property
    def head(self) -> Head:
        """What the network gives besides logits; found out when it is first asked for."""
        if self._head is None:
            training = self.training
            self._head = head_of(self.network, self.classifier, self.size)
            self.train(training)
        return self._head

    def outputs(self, images: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Logits (n, classes), features (n, d) and maps (n, h, w, d) of images (n, 3, size, size)."""
        return self.head.outputs(self.network, self.normalise(images))

    @property
    def features(self) -> int:
        """Number of features; 0 where there are none."""
        return self.head.features

    @property
    def grid(self) -> tuple[int, int] | None:
        """Height and width of the maps; None where there are none."""
        return self.head.grid

    @property
    def linear(self) -> nn.Linear | None:
        """The linear layer behind the mean of the maps; None where there is no such pair."""
        return self.head.linear(self.network)

    def freeze_backbone(self) -> None:
        """Keep all but the classifier as it is: no gradients, and BatchNorm's statistics are not renewed."""
        self.frozen = True
        for _, parameter in self._parameters_of(backbone=True):
            parameter.requires_grad_(False)
        self.train(self.training)

    def parameter_groups(self, backbone_rate: float = 1.0) -> list[ParameterGroup]:
        """For an optimiser: the parameters that are trained, with the factor of their learning rate."""
        groups = [
            ParameterGroup([value for _, value in self._parameters_of(backbone) if value.requires_grad], factor)
            for backbone, factor in ((True, backbone_rate), (False, 1.0))
        ]
        return [group for group in groups if group.parameters]

    def train(self, mode: bool = True) -> Self:
        """As in torch; a frozen backbone stays in evaluation."""
        super().train(mode)
        if self.frozen:
            self.network.eval()
            for name in self.classifier:
                self.network.get_submodule(name).train(mode)
        return self

    def is_classifier(self, key: str) -> bool:
        """Whether a key of the network's state dict is the classifier's."""
        return key.startswith(tuple(f"{name}." for name in self.classifier))

    def _parameters_of(self, backbone: bool) -> Iterator[tuple[str, nn.Parameter]]:
        return (
            (key, parameter)
            for key, parameter in self.network.named_parameters()
            if self.is_classifier(key) is not backbone
        )


class Normalise(nn.Module):
    """Colours of 0 to 255 as distances from the mean in standard deviations."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Colour, deviation: Colour) -> None:
        super().__init__()
        self.colours = (mean, deviation)
        self.register_buffer("mean", 255 * torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", 255 * torch.tensor(deviation).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Floating-point images in the same shape and memory format."""
        return (images - self.mean) / self.deviation
