"""Options of training several networks that are joined into one model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from residerm.config.base import Options

Join = Literal["ensemble", "soup"]


class MemberOptions(Options):
    """How many networks are trained, and how they become one model."""

    members: int = Field(
        1,
        ge=1,
        le=100,
        description="Train this many networks, with seeds from `seed` on, and join them into one model.",
    )
    join: Join = Field(
        "ensemble",
        description="With members: ensemble averages their probabilities; soup averages the weights of those that "
        "improve the validation score, and needs weights that all start from.",
    )
