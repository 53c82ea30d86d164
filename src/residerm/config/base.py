"""The base class of all groups of options."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

FlatOptions: TypeAlias = dict[str, object]  # options of all groups by name, not validated
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # the range that every random number generator accepts


class Options(BaseModel):
    """A group of options: immutable; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, extra="forbid")
