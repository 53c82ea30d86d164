"""Options of the network, and of the weights that it starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from residerm.config.base import Options

Stem = Literal["large", "medium", "small"]
Shortcut = Literal["projection", "padded", "none"]


class ModelOptions(Options):
    """Which network, and the weights that it starts from."""

    model: str = Field("resnet50", description="Name of the network; `residerm models` lists them.")
    pretrained: bool = Field(
        False,
        description="Start from weights trained on ImageNet: of tf_efficientnet_lite0, 1 and 2 from the packages of "
        "residerm[pretrained], of all others from the cache or else from the Hugging Face hub.",
    )
    revision: str | None = Field(
        None, description="Commit of those weights on the hub. Default: the one that residerm or the cache has pinned."
    )
    weights: Path | None = Field(
        None, description="Start from the weights of this run or bundle, or in this safetensors or pth file."
    )
    freeze_backbone: bool = Field(False, description="Train the classifier alone.")
    backbone_rate: float = Field(1.0, gt=0, le=1, description="Learning rate of all but the classifier, as a factor.")


class ResNetOptions(Options):
    """What can be changed in residerm's own ResNets; other networks refuse these."""

    stem: Stem | None = Field(
        None,
        description="large: 7x7 with stride 2 and pooling, for 224 px; medium: the same without pooling; small: 3x3, "
        "for 32 px. Default: as published.",
    )
    width: int | None = Field(
        None, ge=1, le=4096, description="Channels of the first stage. Default: as published, 64 or 16."
    )
    shortcut: Shortcut | None = Field(
        None,
        description="projection or padded: how a shortcut changes its channels; none: the plain counterpart. "
        "Default: as published.",
    )
    preactivation: bool = Field(False, description="Normalise and activate before each convolution, not after it.")
    zero_init: bool | None = Field(
        None,
        description="Start residual blocks as the identity. Default: with random weights, where there are shortcuts.",
    )
