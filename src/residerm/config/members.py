"""Options for training several networks that are joined into one model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from residerm.config.base import Options

Join = Literal["ensemble", "soup"]


class MemberOptions(Options):
    """How many networks are trained, and how they are joined."""

    members: int = Field(
        1,
        ge=1,
        le=100,
        description="Train this many networks, with the seeds `seed`, `seed` + 1, …, and join them into one model.",
    )
    join: Join = Field(
        "ensemble",
        description="With `members`: ensemble averages their probabilities; soup averages the weights of those that "
        "improve the validation score, and requires that all start from the same weights.",
    )
