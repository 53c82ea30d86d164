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
    batch_size: int = Field(64, ge=1, le=1_000_000, description="Images per step, over all processes together.")
    optimizer: Literal["adamw", "adam", "sgd"] = Field("adamw", description="Optimiser.")
    rate: float = Field(4e-4, gt=0, description="Highest learning rate.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of SGD, or the first decay rate of Adam.")
    weight_decay: float = Field(0.05, ge=0, description="Weight decay; not applied to biases and normalisation.")
    schedule: Literal["one-cycle", "cosine", "step", "constant"] = Field(
        "one-cycle",
        description="Learning rate schedule. one-cycle: up and down; cosine: down; step: divided by 10 at 1/2 and at "
        "3/4 of the steps; constant.",
    )
    warmup: float = Field(0.2, ge=0, lt=1, description="Fraction of the steps in which one-cycle increases the rate.")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Fraction of each label that is spread over all classes."
    )
    class_weight_power: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Weight the classes by (1 / frequency) to this power; at 1, all count equally. Default: 0.5, or 0 "
        "if `sampling` or `logit_adjustment` handles the imbalance.",
    )
    logit_adjustment: float = Field(
        0.0, ge=0, description="Add this times the log frequency of each class to its logit in training."
    )
    mixup: float = Field(0.0, ge=0, description="Mix pairs of images with weights from Beta(this, this); 0: none.")
    grow_from: int | None = Field(
        None,
        ge=8,
        description="Start with images of this size and grow them to `size` during training, which is faster.",
    )
    accumulate: int = Field(
        1, ge=1, description="Split each batch into this many parts and accumulate their gradients, to save memory."
    )
    clip: float = Field(1.0, ge=0, description="Largest norm of the gradient, clipped above; 0: no clipping.")
    ema: float = Field(0.998, ge=0, lt=1, description="Decay of the moving average of the weights; 0: none.")
    patience: int | None = Field(None, ge=1, description="Stop after this many epochs without a better score.")
    select: Literal["macro_auc", "balanced_accuracy", "accuracy", "macro_f1", "log_loss"] = Field(
        "macro_auc",
        description="The validation score by which the checkpoint is chosen: the last epoch within one standard error "
        "of the best.",
    )
    precision: Precision = Field("auto", description="auto: bf16 if the hardware supports it, else float32.")
    devices: int = Field(1, ge=1, le=1024, description="Number of processes, each on its own device.")
    seed: Seed = Field(0, description="Seed of the weights, the order of the images and the augmentation.")
    max_minutes: float | None = Field(None, gt=0, description="Stop after this many minutes of training.")
    tensorboard: bool = Field(False, description="Also write the curves for TensorBoard, in the run folder.")

    def refuse_contradictions(self) -> None:
        """Raise `UsageError` if options are valid on their own but not together."""
        if self.batch_size % self.devices:
            raise UsageError(f"`batch_size={self.batch_size}` must be a multiple of `devices={self.devices}`")
        if self.accumulate > self.batch_size // self.devices:
            raise UsageError(f"`accumulate={self.accumulate}` is more than the images in the batch of one process")
