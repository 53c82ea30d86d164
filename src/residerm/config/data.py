"""Options of the data: archive, pixels, split, sampling, augmentation, and the synthetic archive."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from residerm.config.base import Options, Seed
from residerm.errors import UsageError

Task = Literal["diagnosis", "malignancy", "melanoma"]
OnBadImage = Literal["error", "skip"]


class PixelSpec(Options):
    """How an image file becomes a square of pixels; part of every cache key and of every model's description."""

    size: int = Field(64, ge=8, le=1024, description="Side of the square images, in pixels.")
    aspect: Literal["squash", "crop", "pad"] = Field(
        "squash", description="Make images square by squashing, by cropping the centre, or by padding with black."
    )
    filter: Literal["box", "bilinear", "bicubic", "lanczos"] = Field("bicubic", description="Resampling filter.")
    reduced: bool = Field(
        True, description="Let JPEGs decode at 1/2, 1/4 or 1/8 where that still leaves twice the size asked for."
    )


class ArchiveOptions(Options):
    """Which archive, and what is asked of it."""

    layout: str | None = Field(None, description="Name of the layout, where it is not recognised by itself.")
    task: Task | None = Field(None, description="Classes to tell apart. Default: the archive's own.")
    without: tuple[str, ...] = Field((), description="A class to leave out; may be given more than once.")
    on_bad_image: OnBadImage = Field("error", description="Stop at an unreadable image, or leave it out and say so.")


class SplitOptions(Options):
    """How the records are divided into training, validation and test parts."""

    split: str = Field(
        "lesion",
        description="lesion: by lesion, so that none is on two sides; random: by image, as in the paper (leaks); "
        "archive: the archive's own parts; or the path of a splits.csv.",
    )
    test: float = Field(
        0.2, ge=0, lt=1, description="Share of the lesions (images, for random) in the test part; 0: none."
    )
    validation: float = Field(0.1, ge=0, lt=1, description="Share in the validation part.")
    folds: int | None = Field(None, ge=2, le=100, description="Divide into this many folds for cross-validation.")
    fold: Literal["all"] | Annotated[int, Field(ge=0)] = Field(
        0, description="With folds: the fold that is the test part; or all: `train` trains a model for each."
    )
    split_seed: Seed = Field(0, description="Seed of the split.")

    @property
    def one_fold(self) -> int:
        """The number of the fold that is the test part."""
        if self.fold == "all":
            raise UsageError(
                "`fold=all` stands for every fold, and one is needed here: give its number, from 0 on "
                "(`residerm train` and `residerm.train_folds` train on all)"
            )
        return self.fold


class SampleOptions(Options):
    """How the training rows are resampled against class imbalance; other parts are never resampled."""

    sampling: Literal["none", "under", "over", "both"] = Field(
        "none", description="Cut large classes (under), repeat small ones (over), or both."
    )
    cut_to: float = Field(2.0, ge=1, description="Cut the largest class to this multiple of the second largest.")
    raise_to: Literal["median", "largest"] | Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        "median", description="Raise smaller classes to the median class, to the largest, or to this many images."
    )


class AugmentOptions(Options):
    """What training does to a batch of images; a strength of 0 switches its part off."""

    augment: bool = Field(True, description="Augment the training images; `augment=False` switches everything off.")
    rotation: float = Field(180.0, ge=0, le=180, description="Rotate by up to this many degrees either way.")
    flip: float = Field(0.5, ge=0, le=1, description="Chance of each flip, left-right and up-down.")
    scale: float = Field(0.15, ge=0, lt=1, description="Enlarge or shrink by a factor of up to 1 plus this.")
    shift: float = Field(0.05, ge=0, lt=1, description="Shift by up to this share of the side.")
    brightness: float = Field(0.05, ge=0, lt=1, description="Change brightness by up to this share.")
    contrast: float = Field(0.05, ge=0, lt=1, description="Change contrast by up to this share.")
    saturation: float = Field(0.05, ge=0, lt=1, description="Change saturation by up to this share.")
    hue: float = Field(0.005, ge=0, le=0.5, description="Turn the hue by up to this share of the colour circle.")
    erasing: float = Field(0.1, ge=0, le=1, description="Chance of filling a small rectangle with the mean colour.")


class SyntheticOptions(Options):
    """The embedded archive: how much is drawn. The same options give the same bytes."""

    images: int = Field(2000, ge=70, le=100_000, description="Number of images to draw.")
    width: int = Field(200, ge=48, le=1024, description="Width of an image.")
    height: int = Field(150, ge=48, le=1024, description="Height of an image.")
    seed: Seed = Field(0, description="Seed of the archive.")
