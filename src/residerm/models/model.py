"""The model that is trained, saved and served: colour normalisation, followed by a network.

A `Model` takes RGB in 0 to 255 from the cache or a decoder, uint8 or floating-point, and normalises it in its first
layer, so that callers cannot do it differently. The network is a separate child: `model.network.state_dict()` has the
keys of timm and torchvision without a prefix, and is what is saved as weights; explanations, exports and timm can use
`model.network` as an ordinary network. Mean and deviation are not in the state dict, but in the model's description.
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
        """`classifier`: names of the network's last layers; the rest is the backbone. Colours are those of ImageNet."""
        super().__init__()
        self.normalise = Normalise(IMAGENET_MEAN, IMAGENET_DEVIATION)
        self.network = network
        self.name, self.classes, self.size, self.classifier = name, classes, size, classifier
        self.frozen = False
        self._head: Head | None = None

    def set_colours(self, mean: Colour, deviation: Colour) -> None:
        """Set the mean and deviation of the normalisation."""
        self.normalise = Normalise(mean, deviation).to(self.normalise.mean.device)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, 3, size, size)."""
        logits: Tensor = self.network(self.normalise(images))
        return logits

    def clear_classifier(self) -> None:
        """Initialise the classifier with zeros: equal probabilities, and a loss of log(classes)."""
        for name in self.classifier:
            for parameter in self.network.get_submodule(name).parameters():
                nn.init.zeros_(parameter)

    @property
    def head(self) -> Head:
        """The outputs of the network besides logits, detected on first use."""
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
        """Number of features; 0 if there are none."""
        return self.head.features

    @property
    def grid(self) -> tuple[int, int] | None:
        """Height and width of the maps; None if there are none."""
        return self.head.grid

    @property
    def linear(self) -> nn.Linear | None:
        """The linear layer after global average pooling; None if there is none."""
        return self.head.linear(self.network)

    def freeze_backbone(self) -> None:
        """Freeze all layers but the classifier: no gradients, and no updates of BatchNorm's statistics."""
        self.frozen = True
        for _, parameter in self._parameters_of(backbone=True):
            parameter.requires_grad_(False)
        self.train(self.training)

    def parameter_groups(self, backbone_rate: float = 1.0) -> list[ParameterGroup]:
        """The trainable parameters for an optimiser, with factors on their learning rate."""
        groups = [
            ParameterGroup([value for _, value in self._parameters_of(backbone) if value.requires_grad], factor)
            for backbone, factor in ((True, backbone_rate), (False, 1.0))
        ]
        return [group for group in groups if group.parameters]

    def train(self, mode: bool = True) -> Self:
        """As in torch, but a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.network.eval()
            for name in self.classifier:
                self.network.get_submodule(name).train(mode)
        return self

    def is_classifier(self, key: str) -> bool:
        """Whether a key of the network's state dict belongs to the classifier."""
        return key.startswith(tuple(f"{name}." for name in self.classifier))

    def _parameters_of(self, backbone: bool) -> Iterator[tuple[str, nn.Parameter]]:
        return (
            (key, parameter)
            for key, parameter in self.network.named_parameters()
            if self.is_classifier(key) is not backbone
        )


class Normalise(nn.Module):
    """Standardises colours in 0 to 255."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Colour, deviation: Colour) -> None:
        super().__init__()
        self.colours = (mean, deviation)
        self.register_buffer("mean", 255 * torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", 255 * torch.tensor(deviation).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Standardised images in the same shape and memory format."""
        return (images - self.mean) / self.deviation
