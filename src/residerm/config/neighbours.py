"""Options of the training images that a model's bundle keeps, for `explain --neighbours`."""

from __future__ import annotations

from pydantic import Field

from residerm.config.base import Options


class NeighbourOptions(Options):
    """What the bundle keeps of training images, beside their features, classes and ids."""

    keep_thumbnails: bool = Field(
        False,
        description="Keep small pictures of training images in the bundle, so that `neighbours` of explain can show "
        "them; where the licence of the images allows copies. Default: their ids alone.",
    )
