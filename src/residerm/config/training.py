"""Options of a training: epochs, optimiser, schedule, regularisation, precision, limits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from residerm.config.base import Options, Seed
from residerm.errors import UsageError

Precision = Literal["auto", "float32", "bf16"]


class TrainOptions(Options):
    """How a network is trained."""

    epochs: int = Field(28, ge=1, le=100_000, description="Passes over the training set.")
    batch_size: int = Field(64, ge=1, le=1_000_000, description="Images in a step, over all processes together.")
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
        description="Weigh classes by (1 / their frequency) to this power; 1 gives all the same weight. Default: "
        "0.5, or 0 where `sampling` or `logit_adjustment` handle the imbalance.",
    )
    logit_adjustment: float = Field(
        0.0, ge=0, description="Add this times the log share of each class to its logit while training."
    )
    mixup: float = Field(0.0, ge=0, description="Mix pairs of images by shares drawn from Beta(this, this).")
    grow_from: int | None = Field(
        None, ge=8, description="Start with images of this size, which grow to `size` during training; faster."
    )
    accumulate: int = Field(
        1, ge=1, description="Parts in which a batch goes through the network one after another, to save memory."
    )
    clip: float = Field(1.0, ge=0, description="Clip the norm of the gradient to this; 0: do not clip.")
    ema: float = Field(0.998, ge=0, lt=1, description="Decay of the moving average of the weights; 0: none.")
    patience: int | None = Field(None, ge=1, description="Stop after this many epochs without a better score.")
    select: Literal["macro_auc", "balanced_accuracy", "accuracy", "macro_f1", "log_loss"] = Field(
        "macro_auc",
        description="The validation score that chooses the checkpoint: the last epoch within its error of the best.",
    )
    precision: Precision = Field("auto", description="auto: bf16 where the hardware computes it, else float32.")
    devices: int = Field(1, ge=1, le=1024, description="Processes, each with a device of its own.")
    seed: Seed = Field(0, description="Seed of the weights, the order and the augmentation.")
    max_minutes: float | None = Field(None, gt=0, description="Stop after this many minutes of training.")
    tensorboard: bool = Field(False, description="Draw the curves for TensorBoard too, in the run folder.")

    def refuse_contradictions(self) -> None:
        """Refuse options that cannot be had together, each of which could be had alone."""
        if self.batch_size % self.devices:
            raise UsageError(f"`batch_size={self.batch_size}` cannot be shared by `devices={self.devices}` evenly")
        if self.accumulate > self.batch_size // self.devices:
            raise UsageError(f"`accumulate={self.accumulate}`: there are not so many images in a process's batch")
