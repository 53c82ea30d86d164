"""The one definition of every option: its name, type, default, limits and the sentence of help.

From these frozen models come the flags of the command line, their help, the YAML file and the refusal of unknown
keys. Nothing here touches a disk: validating a configuration has no side effects.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from residerm.errors import UsageError, nearest

Task = Literal["diagnosis", "malignancy", "melanoma"]
OnBadImage = Literal["error", "skip"]
Stem = Literal["large", "medium", "small"]
Shortcut = Literal["projection", "padded", "none"]


class Options(BaseModel):
    """A group of options: immutable, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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
    test: float = Field(0.2, gt=0, lt=1, description="Share of the lesions (images, for random) in the test part.")
    validation: float = Field(0.1, ge=0, lt=1, description="Share in the validation part.")
    folds: int | None = Field(None, ge=2, le=100, description="Divide into this many folds for cross-validation.")
    fold: int = Field(0, ge=0, description="With folds: the fold that is the test part.")
    split_seed: int = Field(0, ge=0, description="Seed of the split.")


class SampleOptions(Options):
    """How the training rows are resampled against class imbalance; other parts are never resampled."""

    sampling: Literal["none", "under", "over", "both"] = Field(
        "none", description="Cut large classes (under), repeat small ones (over), or both."
    )
    cut_to: float = Field(2.0, ge=1, description="Cut the largest class to this multiple of the second largest.")
    raise_to: Literal["median", "largest"] | Annotated[int, Field(ge=1)] = Field(
        "median", description="Raise smaller classes to the median class, to the largest, or to this many images."
    )


class AugmentOptions(Options):
    """What training does to a batch of images; a strength of 0 switches its part off."""

    augment: bool = Field(True, description="Augment the training images; --no-augment switches everything off.")
    rotation: float = Field(180.0, ge=0, le=180, description="Rotate by up to this many degrees either way.")
    flip: float = Field(0.5, ge=0, le=1, description="Chance of each flip, left-right and up-down.")
    scale: float = Field(0.15, ge=0, lt=1, description="Enlarge or shrink by a factor of up to 1 plus this.")
    shift: float = Field(0.05, ge=0, lt=1, description="Shift by up to this share of the side.")
    brightness: float = Field(0.05, ge=0, lt=1, description="Change brightness by up to this share.")
    contrast: float = Field(0.05, ge=0, lt=1, description="Change contrast by up to this share.")
    saturation: float = Field(0.05, ge=0, lt=1, description="Change saturation by up to this share.")
    hue: float = Field(0.005, ge=0, le=0.5, description="Turn the hue by up to this share of the colour circle.")
    erasing: float = Field(0.1, ge=0, le=1, description="Chance of filling a small rectangle with the mean colour.")


class ModelOptions(Options):
    """Which network, and the weights that it starts from."""

    model: str = Field("resnet50", description="Name of the network; `residerm models` lists them.")
    pretrained: bool = Field(
        False, description="Start from weights trained on ImageNet, from the cache or else from the Hugging Face hub."
    )
    revision: str | None = Field(
        None, description="Commit of those weights on the hub. Default: the one that residerm or the cache has pinned."
    )
    weights: Path | None = Field(None, description="Start from the weights in this safetensors or pth file.")
    freeze_backbone: bool = Field(False, description="Train the classifier alone.")
    backbone_rate: float = Field(1.0, gt=0, le=1, description="Learning rate of all but the classifier, as a factor.")


class ResNetOptions(Options):
    """What can be changed in residerm's own ResNets; other networks refuse these."""

    stem: Stem | None = Field(
        None,
        description="large: 7x7 with stride 2 and pooling, for 224 px; medium: the same without pooling; small: 3x3, "
        "for 32 px. Default: as published.",
    )
    width: int | None = Field(None, ge=1, description="Channels of the first stage. Default: as published, 64 or 16.")
    shortcut: Shortcut | None = Field(
        None,
        description="projection or padded: how a shortcut changes its channels; none: the plain counterpart. "
        "Default: as published.",
    )
    preactivation: bool = Field(False, description="Normalise and activate before each convolution, not after it.")
    zero_init: bool | None = Field(
        None,
        description="Begin with blocks that pass on their shortcut alone. Default: where training begins with random "
        "weights and there are shortcuts.",
    )


class TrainOptions(Options):
    """How a network is trained."""

    epochs: int = Field(28, ge=1, description="Times that the training rows are gone through.")
    batch_size: int = Field(64, ge=1, description="Images in a step, over all processes together.")
    optimizer: Literal["adamw", "adam", "sgd"] = Field("adamw", description="Optimiser.")
    rate: float = Field(4e-4, gt=0, description="Highest learning rate.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of SGD, or the first decay rate of Adam.")
    weight_decay: float = Field(0.05, ge=0, description="Weight decay; none on biases and normalisation.")
    schedule: Literal["one-cycle", "cosine", "step", "constant"] = Field(
        "one-cycle", description="one-cycle: up and down; cosine: down; step: a tenth at 1/2 and at 3/4 of the way."
    )
    warmup: float = Field(0.2, ge=0, lt=1, description="Share of the steps in which one-cycle goes up.")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="Share of each label spread over all classes.")
    class_weight_power: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Weigh classes by (1 / their share) to this power; 1 makes all weigh the same. Default: 0.5, or 0 "
        "where --sampling or --logit-adjustment see to the imbalance.",
    )
    logit_adjustment: float = Field(
        0.0, ge=0, description="Add this times the log share of each class to its logit while training."
    )
    mixup: float = Field(0.0, ge=0, description="Mix pairs of images by shares drawn from Beta(this, this).")
    grow_from: int | None = Field(
        None, ge=8, description="Begin with images shrunk to this size and let them grow to --size; faster at first."
    )
    accumulate: int = Field(
        1, ge=1, description="Parts in which a batch goes through the network one after another, to save memory."
    )
    clip: float = Field(1.0, ge=0, description="Clip the norm of the gradient to this; 0: do not clip.")
    ema: float = Field(0.998, ge=0, lt=1, description="Decay of the moving average of the weights; 0: none.")
    patience: int | None = Field(None, ge=1, description="Stop after so many epochs without a better score.")
    select: Literal["macro_auc", "balanced_accuracy", "accuracy", "macro_f1", "log_loss"] = Field(
        "macro_auc",
        description="The validation score that chooses the checkpoint: the last epoch within its error of the best.",
    )
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto", description="auto: bf16 where the hardware computes it, else float32."
    )
    devices: int = Field(1, ge=1, description="Processes, each with a device of its own.")
    seed: int = Field(0, ge=0, description="Seed of the weights, the order and the augmentation.")
    max_minutes: float | None = Field(None, gt=0, description="Stop after so many minutes of training.")
    tensorboard: bool = Field(False, description="Draw the curves for TensorBoard too, in the run folder.")


_CLASS_WEIGHT_POWER = 0.5


class Experiment(Options):
    """Everything that a training depends on; flat in its YAML file, with the names of the flags."""

    path: Path
    archive: ArchiveOptions = ArchiveOptions()
    pixels: PixelSpec = PixelSpec()
    split: SplitOptions = SplitOptions()
    sample: SampleOptions = SampleOptions()
    augmentation: AugmentOptions = AugmentOptions()
    network: ModelOptions = ModelOptions()
    resnet: ResNetOptions = ResNetOptions()
    training: TrainOptions = TrainOptions()

    def in_effect(self) -> Experiment:
        """The experiment with the options that depend on others filled in."""
        if self.training.class_weight_power is not None:
            return self
        otherwise = self.sample.sampling != "none" or self.training.logit_adjustment > 0
        power = 0.0 if otherwise else _CLASS_WEIGHT_POWER
        training = self.training.model_copy(update={"class_weight_power": power})
        return self.model_copy(update={"training": training})

    def flat(self, *, given_only: bool = False) -> dict[str, Any]:
        """Every option by its name; or those alone that were given, not left at their defaults."""
        options: dict[str, Any] = {"path": str(self.path)}
        for _, group in self:
            if isinstance(group, Options):
                options |= group.model_dump(mode="json", exclude_unset=given_only)
        return options

    @classmethod
    def from_flat(cls, options: dict[str, Any], source: str) -> Experiment:
        """The experiment of flat options; a key that no option has is refused with the nearest names."""
        options = dict(options)
        groups: dict[str, Any] = {"path": options.pop("path", None)}
        for name, field in cls.model_fields.items():
            if isinstance(field.default, Options):
                own = [key for key in type(field.default).model_fields if key in options]
                groups[name] = {key: options.pop(key) for key in own}
        if options:
            unknown = next(iter(options))
            known = [key for group in cls.model_fields.values() if isinstance(group.default, Options)
                     for key in type(group.default).model_fields]  # fmt: skip
            raise UsageError(f"{source}: there is no option {unknown!r}.{nearest(unknown, known)}")
        try:
            return cls.model_validate(groups)
        except ValidationError as error:
            wrong = error.errors()[0]
            option, complaint = wrong["loc"][-1], wrong["msg"][0].lower() + wrong["msg"][1:]
            raise UsageError(f"{source}: {option} is {wrong['input']!r}: {complaint}") from error


Decision = Literal["probable", "balanced"]


class EvaluateOptions(Options):
    """On what, and how, a trained model is scored."""

    data: Path | None = Field(None, description="Another archive to score it on. Default: the run's own test part.")
    task: Task | None = Field(None, description="With --data: classes to read both in. Default: what both can tell.")
    tta: bool = Field(False, description="Average the eight views of flips and quarter turns of each image.")
    prior: bool = Field(
        False, description="Divide by the share that each class had in training, as if all were equally frequent."
    )
    decide: Decision = Field(
        "probable",
        description="The class that is named: the most probable one, or, balanced, the one that is most probable "
        "beside its share in training.",
    )
    against: Path | None = Field(None, description="Another run, to be compared with on the same images.")
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto", description="auto: bf16 where the hardware computes it, else float32."
    )
    again: bool = Field(False, description="Score anew, and replace what the same evaluation gave before.")


PRESETS: dict[str, dict[str, Any]] = {
    # The paper: Adam with rate 0.01, 80 to 20 by image, 20 epochs; its augmentation is not stated.
    "paper": {
        "optimizer": "adam",
        "rate": 0.01,
        "epochs": 20,
        "schedule": "constant",
        "class_weight_power": 0.0,
        "weight_decay": 0.0,
        "ema": 0.0,
        "clip": 0.0,
        "split": "random",
        "augment": False,
    },
}


class SyntheticOptions(Options):
    """The embedded archive: how much is drawn. The same options give the same bytes."""

    images: int = Field(2000, ge=70, le=100_000, description="Number of images to draw.")
    width: int = Field(200, ge=48, le=1024, description="Width of an image.")
    height: int = Field(150, ge=48, le=1024, description="Height of an image.")
    seed: int = Field(0, ge=0, description="Seed of the archive.")
