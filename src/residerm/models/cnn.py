"""The convolutional network of the paper: three convolutions with pooling, and three dense layers.

    10 of 3x3, pool 2 → 10 of 5x5, pool 3 → 10 of 7x7, pool 4 → dense 120 → dense 64 → dense classes

with ReLU everywhere except at the end. All padding is "same": convolutions keep the size, and pooling over k divides it
by k, rounded up. The three poolings divide by 24, so that the dense layers receive 10 * ceil(size / 24)^2 numbers: 40
at 32 pixels, 90 at 64. (The paper specifies this only for the first convolution; without it, 32 pixels would not fit.)
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

_FILTERS = 10


class ConvolutionalNetwork(nn.Module):
    """The paper's network for images of `size` pixels; its softmax is part of the loss."""

    classifier = "dense3"

    def __init__(self, classes: int, size: int) -> None:
        super().__init__()
        side = -(-size // 24)  # rounded up
        self.conv1 = nn.Conv2d(3, _FILTERS, 3, padding="same")
        self.pool1 = SamePool(2)
        self.conv2 = nn.Conv2d(_FILTERS, _FILTERS, 5, padding="same")
        self.pool2 = SamePool(3)
        self.conv3 = nn.Conv2d(_FILTERS, _FILTERS, 7, padding="same")
        self.pool3 = SamePool(4)
        self.dense1 = nn.Linear(_FILTERS * side**2, 120)
        self.dense2 = nn.Linear(120, 64)
        self.dense3 = nn.Linear(64, classes)
        self._initialise()

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of normalised images (n, 3, size, size)."""
        return self.forward_head(self.forward_features(images))

    def forward_features(self, images: Tensor) -> Tensor:
        """The feature maps (n, 10, side, side), before they are flattened."""
        x = self.pool1(F.relu(self.conv1(images)))
        x = self.pool2(F.relu(self.conv2(x)))
        maps: Tensor = self.pool3(F.relu(self.conv3(x)))
        return maps

    def forward_head(self, maps: Tensor, pre_logits: bool = False) -> Tensor:
        """The logits for feature maps; with `pre_logits`, the input of the last layer."""
        x = F.relu(self.dense1(maps.flatten(1)))
        features = F.relu(self.dense2(x))
        return features if pre_logits else self.dense3(features)

    def _initialise(self) -> None:
        """Initialise as in the ResNet (He et al. 2015); the paper does not specify it."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.kaiming_normal_(parameter, nonlinearity="relu")
            else:
                nn.init.zeros_(parameter)


class SamePool(nn.Module):
    """Max pooling without overlap and with "same" padding, which is split evenly between both sides."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, channels, ceil(height / side), ceil(width / side)) of maps (n, channels, height, width)."""
        down, across = (-extent % self.side for extent in x.shape[2:])
        border = (across // 2, across - across // 2, down // 2, down - down // 2)
        return F.max_pool2d(F.pad(x, border, value=float("-inf")), self.side)
