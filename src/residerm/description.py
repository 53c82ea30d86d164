"""The description of a model, so that nothing about it is guessed from a name.

It is stored with the weights as `model.json`. `prior` is the effective frequency of each class in training, after
sampling, class weights and logit adjustment: dividing by it gives likelihoods. A description may be untrusted: numbers
are finite and within limits, texts contain no control characters, and the disclaimer is always residerm's own.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from residerm.config import Options, PixelSpec, ResNetOptions, Task
from residerm.disclaimer import DISCLAIMER
from residerm.documents import Document
from residerm.errors import printable
from residerm.trust import TrustSummary

__all__ = ["DISCLAIMER", "ModelDescription"]

_Name = Annotated[str, Field(min_length=1)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Deviation = Annotated[float, Field(ge=1e-3, le=1)]  # of colours from 0 to 1; 1/255 leaves values of 0 to 255 unchanged


class ModelDescription(Document, Options):
    """`model.json`: everything needed to use a model and to judge what it is suitable for."""

    remedy: ClassVar[str] = "the model is damaged; train it again"

    model_config = ConfigDict(allow_inf_nan=False)

    format: Literal[1, 2] = 2  # since 2: `members`, `features`, `maps`, `linear_classifier`
    model: _Name
    resnet: ResNetOptions = ResNetOptions()
    members: int = Field(1, ge=1, le=64, description="Number of models whose probabilities are averaged.")
    classes: tuple[_Name, ...] = Field(min_length=1, max_length=10_000)
    task: Task
    pixels: PixelSpec
    mean: tuple[_Share, _Share, _Share]
    deviation: tuple[_Deviation, _Deviation, _Deviation]
    activation: Literal["softmax"] = "softmax"
    features: int = Field(0, ge=0, description="Number of features; 0 if the model outputs none.")
    maps: bool = Field(False, description="Whether the features are the spatial mean of feature maps.")
    linear_classifier: bool = Field(False, description="Whether the logits are one linear layer applied to that mean.")
    prior: tuple[_Share, ...]
    archive: str
    synthetic: bool
    data_licence: str
    data_citation: str
    trained_on: int = Field(ge=0, description="Number of training images.")
    selected_by: str
    validation: dict[str, float]
    trust: TrustSummary | None = None
    residerm: str
    disclaimer: str = DISCLAIMER

    @field_validator("*", mode="before")
    @classmethod
    def _without_control_characters(cls, value: Any) -> Any:
        return _printable(value)

    @field_validator("disclaimer", mode="before")
    @classmethod
    def _own_disclaimer(cls, _: Any) -> str:
        return DISCLAIMER

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("two classes have the same name")
        if len(self.prior) != len(self.classes):
            raise ValueError(f"prior has {len(self.prior)} values for {len(self.classes)} classes")
        if not math.isclose(sum(self.prior), 1, abs_tol=1e-3):
            raise ValueError(f"the values of prior sum to {sum(self.prior):g}, not to 1")
        return self


def _printable(value: Any) -> Any:
    """The value, with `printable` applied to all its texts."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list | tuple):
        return [_printable(one) for one in value]
    if isinstance(value, dict):
        return {_printable(key): _printable(one) for key, one in value.items()}
    return value
