"""Options of trust: at which levels a model's prediction sets, abstention and outlier marks are fitted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from residerm.config.base import Options

OutlierScore = Literal["mahalanobis", "nearest", "energy"]


class TrustOptions(Options):
    """The levels at which calibration, prediction sets, abstention and outlier marks are fitted on validation."""

    coverage: float = Field(
        0.9, gt=0, lt=1, description="Share of new lesions whose true class the prediction set is to contain."
    )
    error_rate: float = Field(
        0.1, gt=0, lt=1, description="Highest share of errors among the lesions that the model does answer."
    )
    outlier_score: OutlierScore = Field(
        "mahalanobis",
        description="How unlike the training images an image is: mahalanobis, the distance to the nearest class in "
        "feature space; nearest, the distance to the nearest training images; energy, from the logits alone.",
    )
    accepted: float = Field(
        0.95, gt=0, lt=1, description="Share of the validation lesions that are not marked as outliers."
    )
