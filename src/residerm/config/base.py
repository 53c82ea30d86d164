"""What every group of options is: immutable, and a key that it does not know is an error."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """A group of options: immutable, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, extra="forbid")
