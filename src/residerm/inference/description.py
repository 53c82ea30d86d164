"""What a model says of itself: nothing about it is guessed from a name.

It travels with the weights as `model.json`. `prior` is the share of each class that training really had, after
sampling, class weights and logit adjustment: dividing by it gives likelihoods.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from residerm.config import Options, PixelSpec, ResNetOptions, Task

DISCLAIMER = "Not a medical device and not a diagnosis: for research and teaching only."


class ModelDescription(Options):
    """All that is needed to use a model and to judge what it may be used for."""

    format: Literal[1] = 1
    model: str
    resnet: ResNetOptions = ResNetOptions()
    classes: tuple[str, ...]
    task: Task
    pixels: PixelSpec
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    activation: Literal["softmax"] = "softmax"
    prior: tuple[float, ...]
    archive: str
    synthetic: bool
    data_licence: str
    data_citation: str
    trained_on: int = Field(description="Number of training images.")
    selected_by: str
    validation: dict[str, float]
    residerm: str
    disclaimer: str = DISCLAIMER
