"""Options of the training images that a bundle stores for `explain --neighbours`."""

from __future__ import annotations

from pydantic import Field

from residerm.config.base import Options


class NeighbourOptions(Options):
    """What a bundle stores of training images in addition to features, classes and ids."""

    keep_thumbnails: bool = Field(
        False,
        description="Store thumbnails of training images in the bundle for `explain` with `neighbours`, if the licence "
        "of the images permits copies. Default: only their ids.",
    )
