"""Options of `theory depth`: what is changed in its preset."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from residerm.config.base import Options


class DepthOptions(Options):
    """What is changed in a preset of the degradation experiment; None or empty: as the preset has it."""

    depths: tuple[int, ...] = Field(
        (), description="Numbers of layers, each 6n + 2, such as 20 32 56 110. Default: the preset's."
    )
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (), description="Seeds of the weights and of the order of the images. Default: the preset's."
    )
    epochs: int | None = Field(None, ge=1, description="Passes over the training images. Default: the preset's.")
    width: int | None = Field(None, ge=1, description="Channels of the first stage. Default: the preset's.")
    rate: float | None = Field(None, gt=0, description="The highest learning rate. Default: the preset's.")
