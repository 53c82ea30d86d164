"""What every group of options is: immutable, and a key that it does not know is an error."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what every generator of random numbers takes


class Options(BaseModel):
    """A group of options: immutable, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, extra="forbid")
