"""Options of the data: archive, pixels, split, sampling, augmentation, and the synthetic archive."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from residerm.config.base import Options, Seed
from residerm.errors import UsageError

Task = Literal["diagnosis", "malignancy", "melanoma"]
OnBadImage = Literal["error", "skip"]


class PixelSpec(Options):
    """How an image file becomes a square of pixels; part of each cache key and of each model's description."""

    size: int = Field(64, ge=8, le=1024, description="Width and height of the images, in pixels.")
    aspect: Literal["squash", "crop", "pad"] = Field(
        "squash", description="How images are made square: squash, crop the centre, or pad with black."
    )
    filter: Literal["box", "bilinear", "bicubic", "lanczos"] = Field("bicubic", description="Resampling filter.")
    reduced: bool = Field(
        True, description="Decode JPEGs at 1/2, 1/4 or 1/8 of their size, as long as that is at least twice `size`."
    )


class ArchiveOptions(Options):
    """How an archive is read: its layout, its classes, and what happens at an unreadable image."""

    layout: str | None = Field(None, description="Layout of the archive, if it is not recognised automatically.")
    task: Task | None = Field(None, description="Classes to distinguish. Default: those of the archive.")
    without: tuple[str, ...] = Field((), description="A class to leave out; may be given more than once.")
    on_bad_image: OnBadImage = Field("error", description="Stop at an unreadable image, or skip it with a note.")


class SplitOptions(Options):
    """How the records are divided into training, validation and test parts."""

    split: str = Field(
        "lesion",
        description="lesion: all images of a lesion are in one part; random: by image, as in the paper (leaks between "
        "parts); archive: the parts that the archive defines; or the path of a splits.csv.",
    )
    test: float = Field(
        0.2, ge=0, lt=1, description="Fraction of the lesions (of the images, for random) in the test part; 0: none."
    )
    validation: float = Field(0.1, ge=0, lt=1, description="Fraction in the validation part.")
    folds: int | None = Field(None, ge=2, le=100, description="Number of folds for cross-validation.")
    fold: Literal["all"] | Annotated[int, Field(ge=0)] = Field(
        0, description="With folds: the fold that is the test part; all: `train` trains a model for each fold."
    )
    split_seed: Seed = Field(0, description="Seed of the split.")

    @property
    def one_fold(self) -> int:
        """The number of the fold that is the test part."""
        if self.fold == "all":
            raise UsageError(
                "`fold=all` is only for training (`residerm train`, `residerm.train_folds`): give the number of one "
                "fold here, from 0"
            )
        return self.fold


class SampleOptions(Options):
    """How the training part is resampled against class imbalance; other parts are never resampled."""

    sampling: Literal["none", "under", "over", "both"] = Field(
        "none", description="under: cut large classes; over: repeat images of small classes; both."
    )
    cut_to: float = Field(2.0, ge=1, description="Cut the largest class to this multiple of the second largest.")
    raise_to: Literal["median", "largest"] | Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        "median", description="Raise smaller classes to the median class, to the largest, or to this many images."
    )


class AugmentOptions(Options):
    """How training images are augmented; a strength of 0 switches a transformation off."""

    augment: bool = Field(
        True, description="Augment the training images. Without it, the other options of augmentation have no effect."
    )
    rotation: float = Field(180.0, ge=0, le=180, description="Largest rotation in either direction, in degrees.")
    flip: float = Field(0.5, ge=0, le=1, description="Probability of each flip, horizontal and vertical.")
    scale: float = Field(0.15, ge=0, lt=1, description="Enlarge or shrink by a factor of up to 1 plus this.")
    shift: float = Field(0.05, ge=0, lt=1, description="Largest shift, as a fraction of the image size.")
    brightness: float = Field(0.05, ge=0, lt=1, description="Largest relative change of brightness.")
    contrast: float = Field(0.05, ge=0, lt=1, description="Largest relative change of contrast.")
    saturation: float = Field(0.05, ge=0, lt=1, description="Largest relative change of saturation.")
    hue: float = Field(0.005, ge=0, le=0.5, description="Largest shift of the hue, as a fraction of the colour circle.")
    erasing: float = Field(0.1, ge=0, le=1, description="Probability of erasing a small rectangle to the mean colour.")


class SyntheticOptions(Options):
    """Size of the synthetic archive. The same options give the same bytes."""

    images: int = Field(2000, ge=70, le=100_000, description="Number of images to draw.")
    width: int = Field(200, ge=48, le=1024, description="Width of an image.")
    height: int = Field(150, ge=48, le=1024, description="Height of an image.")
    seed: Seed = Field(0, description="Seed of the archive.")
