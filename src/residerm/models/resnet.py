"""Residual networks, whose blocks learn what to add to their input.

With weights {W_i}, a block of He et al. 2015 (https://arxiv.org/abs/1512.03385, equation 1) computes

    y = F(x, {W_i}) + x

followed by a ReLU. If nothing follows the addition, as with `preactivation` (He et al. 2016,
https://arxiv.org/abs/1603.05027), the signal passes from any block l to a later block L, and the gradient of a loss E
back, on a path without weights:

    x_L = x_l + sum_i F(x_i, {W_i})          dE/dx_l = dE/dx_L (1 + d/dx_l sum_i F(x_i, {W_i}))

`shortcut="none"` omits `+ x`: y = F(x, {W_i}), the plain counterpart, which is otherwise identical.

    network = ResNet(*PUBLISHED[50], classes=7)                          # ResNet-50
    network = ResNet("basic", (9, 9, 9), classes=7, shortcut="none")     # the plain counterpart of ResNet-56

The published networks have the same parameter names and results as in torchvision and timm, whose state dicts load
strictly.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from residerm.config import Shortcut, Stem
from residerm.errors import UsageError

Kind = Literal["basic", "bottleneck"]

# Number of layers → kind of block, and blocks per stage. Those with three stages are the 6n + 2 networks for small
# images.
PUBLISHED: Mapping[int, tuple[Kind, tuple[int, ...]]] = MappingProxyType(
    {
        18: ("basic", (2, 2, 2, 2)),
        34: ("basic", (3, 4, 6, 3)),
        50: ("bottleneck", (3, 4, 6, 3)),
        101: ("bottleneck", (3, 4, 23, 3)),
        152: ("bottleneck", (3, 8, 36, 3)),
        20: ("basic", (3, 3, 3)),
        32: ("basic", (5, 5, 5)),
        44: ("basic", (7, 7, 7)),
        56: ("basic", (9, 9, 9)),
        110: ("basic", (18, 18, 18)),
    }
)

# Kernel size of the first convolution, its stride, and whether pooling follows. The first two have the same weights.
_STEMS: Mapping[Stem, tuple[int, int, bool]] = MappingProxyType(
    {"large": (7, 2, True), "medium": (7, 2, False), "small": (3, 1, False)}
)


class ResNet(nn.Module):
    """Stem, stages of blocks, mean over the image, linear classifier.

    The first stage has `width` channels inside its blocks; each further stage doubles them and halves the resolution.
    By default as published: networks with four stages start with 64 channels and a stem for images of 224 pixels; those
    with three stages start with 16 channels and a stem for small images, and their shortcuts have no parameters.
    """

    classifier = "fc"

    def __init__(
        self,
        kind: Kind,
        blocks: Sequence[int],
        classes: int = 1000,
        *,
        stem: Stem | None = None,
        width: int | None = None,
        shortcut: Shortcut | None = None,
        preactivation: bool = False,
        zero_init: bool | None = None,
    ) -> None:
        super().__init__()
        _check(blocks, shortcut, zero_init)
        small = len(blocks) == 3
        width = width or (16 if small else 64)
        shortcut = shortcut or ("padded" if small else "projection")
        side, stride, pooled = _STEMS[stem or ("small" if small else "large")]

        self.preactivation, self.shortcut = preactivation, shortcut
        self.conv1 = _convolution(3, width, side, stride)
        self.bn1 = nn.Identity() if preactivation else nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if pooled else nn.Identity()
        block = BasicBlock if kind == "basic" else Bottleneck
        channels, stages = width, []
        for number, count in enumerate(blocks):
            inner, stride = width * 2**number, 1 if number == 0 else 2
            stages.append(_stage(block, channels, inner, count, stride, shortcut, preactivation))
            channels = block.expansion * inner
        self.layer1, self.layer2, self.layer3 = stages[:3]
        self.layer4 = nn.Sequential() if small else stages[3]
        self.norm = nn.BatchNorm2d(channels) if preactivation else nn.Identity()
        self.fc = nn.Linear(channels, classes)
        self._initialise()
        if zero_init:
            self.initialise_as_identity()

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of normalised images (n, 3, height, width)."""
        return self.forward_head(self.forward_features(images))

    def forward_features(self, images: Tensor) -> Tensor:
        """The feature maps of the last stage; shapes in the comments are those of ResNet-50 for 224 pixels."""
        x = self.conv1(images)  # (n, 64, 112, 112)
        x = self.maxpool(x if self.preactivation else _relu(self.bn1(x)))  # (n, 64, 56, 56)
        x = self.layer1(x)  # (n, 256, 56, 56)
        x = self.layer2(x)  # (n, 512, 28, 28)
        x = self.layer3(x)  # (n, 1024, 14, 14)
        x = self.layer4(x)  # (n, 2048, 7, 7)
        return _relu(self.norm(x)) if self.preactivation else x

    def forward_head(self, maps: Tensor, pre_logits: bool = False) -> Tensor:
        """The logits for feature maps; with `pre_logits`, the features, which are the mean of the maps."""
        features = maps.mean((2, 3))
        return features if pre_logits else self.fc(features)

    def initialise_as_identity(self) -> None:
        """Initialise every block as its shortcut, so that the network is shallow at first."""
        for module in self.modules():
            if isinstance(module, Block):
                module.initialise_as_identity()

    def _initialise(self) -> None:
        """He initialisation (https://arxiv.org/abs/1502.01852), which keeps the variance of the gradient."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and not module.weight.is_meta:  # slow and useless on the meta device
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class Block(nn.Module, ABC):
    """F and the shortcut around it; the layers of F are defined by the subclasses."""

    expansion: int
    downsample: nn.Module | None

    def __init__(self, preactivation: bool) -> None:
        super().__init__()
        self.preactivation = preactivation

    @abstractmethod
    def layers(self) -> Sequence[tuple[nn.Conv2d, nn.BatchNorm2d]]:
        """F's convolutions, each with its normalisation."""

    def forward(self, x: Tensor) -> Tensor:
        """The output (n, channels, height, width) of the block."""
        return self._preactivated(x) if self.preactivation else self._published(x)

    def initialise_as_identity(self) -> None:
        """Initialise the last layer of F with zeros, so that the block is its shortcut at first."""
        convolution, normalisation = self.layers()[-1]
        nn.init.zeros_((convolution if self.preactivation else normalisation).weight)

    def _published(self, x: Tensor) -> Tensor:
        """Convolution, normalisation, ReLU; the last ReLU after the addition."""
        *inner, (convolution, normalisation) = self.layers()
        y = x
        for convolve, normalise in inner:
            y = _relu(normalise(convolve(y)))
        return _relu(self._add(normalisation(convolution(y)), x))

    def _preactivated(self, x: Tensor) -> Tensor:
        """Normalisation, ReLU, convolution; nothing after the addition. A projection sees what F sees."""
        (convolution, normalisation), *others = self.layers()
        activated = _relu(normalisation(x))
        y = convolution(activated)
        for convolve, normalise in others:
            y = convolve(_relu(normalise(y)))
        return self._add(y, activated if isinstance(self.downsample, nn.Conv2d) else x)

    def _add(self, y: Tensor, x: Tensor) -> Tensor:
        return y if self.downsample is None else y + self.downsample(x)


class BasicBlock(Block):
    """F is two convolutions of 3x3."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, shortcut: Shortcut, preactivation: bool) -> None:
        super().__init__(preactivation)
        self.conv1 = _convolution(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(inputs if preactivation else width)
        self.conv2 = _convolution(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _downsample(shortcut, inputs, width, stride, preactivation)

    def layers(self) -> Sequence[tuple[nn.Conv2d, nn.BatchNorm2d]]:
        """F's convolutions, each with its normalisation."""
        return (self.conv1, self.bn1), (self.conv2, self.bn2)


class Bottleneck(Block):
    """F is 1x1 to fewer channels, 3x3, and 1x1 to four times as many."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, shortcut: Shortcut, preactivation: bool) -> None:
        super().__init__(preactivation)
        outputs = self.expansion * width
        self.conv1 = _convolution(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(inputs if preactivation else width)
        self.conv2 = _convolution(width, width, 3, stride)  # in the paper conv1 has the stride; in practice, this
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _convolution(width, outputs, 1)
        self.bn3 = nn.BatchNorm2d(width if preactivation else outputs)
        self.downsample = _downsample(shortcut, inputs, outputs, stride, preactivation)

    def layers(self) -> Sequence[tuple[nn.Conv2d, nn.BatchNorm2d]]:
        """F's convolutions, each with its normalisation."""
        return (self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)


class ZeroPadded(nn.Module):
    """The shortcut without parameters (option A): every stride-th pixel, and zeros for the new channels."""

    def __init__(self, new_channels: int, stride: int) -> None:
        super().__init__()
        self.new_channels, self.stride = new_channels, stride

    def forward(self, x: Tensor) -> Tensor:
        """Subsample and pad the input (n, channels, height, width) to the shape of the block's output."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))


def _stage(
    block: type[BasicBlock | Bottleneck],
    inputs: int,
    width: int,
    count: int,
    stride: int,
    shortcut: Shortcut,
    preactivation: bool,
) -> nn.Sequential:
    """Blocks of the same width; the first one changes the resolution and the channels."""
    first = block(inputs, width, stride, shortcut, preactivation)
    others = (block(block.expansion * width, width, 1, shortcut, preactivation) for _ in range(count - 1))
    return nn.Sequential(first, *others)


def _downsample(shortcut: Shortcut, inputs: int, outputs: int, stride: int, preactivation: bool) -> nn.Module | None:
    """The shortcut, mostly the identity; None if there is no shortcut."""
    if shortcut == "none":
        return None
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    if shortcut == "padded":
        return ZeroPadded(outputs - inputs, stride)
    projection = _convolution(inputs, outputs, 1, stride)
    return projection if preactivation else nn.Sequential(projection, nn.BatchNorm2d(outputs))


def _convolution(inputs: int, outputs: int, side: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, stride, padding=side // 2, bias=False)


def _relu(x: Tensor) -> Tensor:
    """ReLU in place, because the input is never needed again."""
    return F.relu(x, inplace=True)


def _check(blocks: Sequence[int], shortcut: Shortcut | None, zero_init: bool | None) -> None:
    if len(blocks) not in (3, 4) or min(blocks) < 1:
        raise UsageError(f"a ResNet has three or four stages of at least one block, not {tuple(blocks)}")
    if shortcut == "none" and zero_init:
        raise UsageError(
            "zero_init requires shortcuts: without them, nothing would pass a block that is initially zero"
        )
