"""Options of the commands of `residerm theory`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from residerm.config.base import Options, Seed

DepthPreset = Literal["small", "full"]


class EquationOptions(Options):
    """The random networks on which the equations are checked."""

    depth: int = Field(56, description="Number of layers of the random residual networks, 6n + 2.")
    seed: Seed = Field(0, description="Seed of the random networks and images.")


class FlowOptions(Options):
    """New networks whose gradients are measured at initialisation and during training."""

    depths: tuple[int, ...] = Field(
        (8, 20, 56, 110), min_length=1, description="Numbers of layers of the new networks, each 6n + 2."
    )
    width: int = Field(8, ge=1, description="Channels of the first stage of the new networks.")
    steps: int = Field(200, ge=0, description="Number of training steps of the new networks; 0: no training.")
    training_depth: int = Field(32, description="Number of layers of the networks that are trained, 6n + 2.")
    seed: Seed = Field(0, description="Seed of the weights and of the order of the images.")


class DepthOptions(Options):
    """Changes to a preset of the degradation experiment; None or empty: the value of the preset."""

    depths: tuple[int, ...] = Field(
        (), description="Numbers of layers, each 6n + 2, such as 20 32 56 110. Default: the preset's."
    )
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (), description="Seeds of the weights and of the order of the images. Default: the preset's."
    )
    epochs: int | None = Field(None, ge=1, description="Passes over the training images. Default: the preset's.")
    width: int | None = Field(None, ge=1, description="Channels of the first stage. Default: the preset's.")
    rate: float | None = Field(None, gt=0, description="The highest learning rate. Default: the preset's.")
