"""Options of learning from another model."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from residerm.config.base import Options


class DistillationOptions(Options):
    """From which model a network learns besides the labels, and how much."""

    teacher: Path | None = Field(
        None, description="Learn from the probabilities of this run or bundle, too (knowledge distillation)."
    )
    teacher_share: float = Field(
        0.5, ge=0, le=1, description="Share of the teacher in the loss; the rest is the labels'."
    )
    temperature: float = Field(
        2.0, gt=0, description="Divide the logits of teacher and network by this before they are compared."
    )
