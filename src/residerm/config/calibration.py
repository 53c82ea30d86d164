"""Options of `residerm calibrate`: on which images, and at which levels."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from residerm.config.data import OnBadImage
from residerm.config.neighbours import NeighbourOptions


class CalibrateOptions(NeighbourOptions):
    """On what a trained model's calibration and thresholds are fitted again."""

    data: Path = Field(description="Archive of labelled images from where the model is to be used.")
    layout: str | None = Field(None, description="Name of the archive's layout, where it is not recognised by itself.")
    on_bad_image: OnBadImage = Field("error", description="Stop at an unreadable image, or leave it out and say so.")
    coverage: float | None = Field(
        None, gt=0, lt=1, description="Share of lesions whose set is to contain the true class. Default: as before."
    )
    error_rate: float | None = Field(
        None, gt=0, lt=1, description="Highest share of errors among the lesions answered. Default: as before."
    )
    accepted: float | None = Field(
        None, gt=0, lt=1, description="Share of these lesions that are not marked as outliers. Default: as before."
    )
