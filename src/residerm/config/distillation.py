"""Options of knowledge distillation."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from residerm.config.base import Options


class DistillationOptions(Options):
    """The teacher of a network, and its weight in the loss."""

    teacher: Path | None = Field(
        None, description="Run or bundle whose probabilities the network learns from too (knowledge distillation)."
    )
    teacher_share: float = Field(
        0.5, ge=0, le=1, description="Weight of the teacher in the loss; the labels have the rest."
    )
    temperature: float = Field(
        2.0, gt=0, description="Temperature by which the logits of teacher and network are divided in the loss."
    )
