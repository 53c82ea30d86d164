"""Options of trust: the levels of prediction sets, abstention and outlier detection."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from residerm.config.base import Options

OutlierScore = Literal["mahalanobis", "nearest", "energy"]


class TrustOptions(Options):
    """The levels at which prediction sets, abstention and outlier detection are fitted on the validation part."""

    coverage: float = Field(
        0.9, gt=0, lt=1, description="Fraction of new lesions whose prediction set is to contain the true class."
    )
    error_rate: float = Field(0.1, gt=0, lt=1, description="Highest error rate among the lesions that are answered.")
    outlier_score: OutlierScore = Field(
        "mahalanobis",
        description="How the difference from the training images is measured. mahalanobis: distance to the nearest "
        "class in feature space; nearest: distance to the nearest training images; energy: from the logits only.",
    )
    accepted: float = Field(
        0.95, gt=0, lt=1, description="Fraction of the validation lesions that are not marked as outliers."
    )
