"""Options of `residerm calibrate`: the images, and the levels."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from residerm.config.data import OnBadImage
from residerm.config.neighbours import NeighbourOptions


class CalibrateOptions(NeighbourOptions):
    """The images to which a trained model's calibration and thresholds are fitted again, and the levels."""

    data: Path = Field(description="Archive of labelled images from the site where the model is to be used.")
    layout: str | None = Field(None, description="Layout of the archive, if it is not recognised automatically.")
    on_bad_image: OnBadImage = Field("error", description="Stop at an unreadable image, or skip it with a note.")
    coverage: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Fraction of lesions whose prediction set is to contain the true class. Default: unchanged.",
    )
    error_rate: float | None = Field(
        None, gt=0, lt=1, description="Highest error rate among the lesions that are answered. Default: unchanged."
    )
    accepted: float | None = Field(
        None, gt=0, lt=1, description="Fraction of these lesions that are not marked as outliers. Default: unchanged."
    )
