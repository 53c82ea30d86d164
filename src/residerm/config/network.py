"""Options of the network and of its initial weights."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from residerm.config.base import Options

Stem = Literal["large", "medium", "small"]
Shortcut = Literal["projection", "padded", "none"]


class ModelOptions(Options):
    """The network and its initial weights."""

    model: str = Field("resnet50", description="Name of the network; `residerm models` lists them.")
    pretrained: bool = Field(
        False,
        description="Start from weights trained on ImageNet: for tf_efficientnet_lite0, 1 and 2 from the packages of "
        "residerm[pretrained], for all others from the cache or the Hugging Face hub.",
    )
    revision: str | None = Field(
        None, description="Commit of those weights on the hub. Default: the one pinned by residerm or the cache."
    )
    weights: Path | None = Field(
        None, description="Start from the weights of this run or bundle, or of this safetensors or pth file."
    )
    freeze_backbone: bool = Field(False, description="Train only the classifier.")
    backbone_rate: float = Field(
        1.0, gt=0, le=1, description="Factor on the learning rate of all layers but the classifier."
    )


class ResNetOptions(Options):
    """Changes to residerm's own ResNets; refused for other networks."""

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
        description="projection or padded: how shortcuts change the number of channels; none: a plain network without "
        "shortcuts. Default: as published.",
    )
    preactivation: bool = Field(
        False, description="Normalise and activate before each convolution instead of after it."
    )
    zero_init: bool | None = Field(
        None,
        description="Initialise residual blocks as the identity. Default: if the weights are random and there are "
        "shortcuts.",
    )
