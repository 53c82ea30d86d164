"""The parts of a training step, as functions of the options: optimiser, learning rate, loss and mixup.

The functions have no state: the rate depends on the step, and random numbers on seed and step, so that training can be
resumed at any step with identical results. With n_c of N training images in class c of C classes, p the
`class_weight_power` and t the `logit_adjustment`,

    w_c ∝ (N / n_c)^p, scaled so that an image weighs 1 on average        loss = w_y · CE(logits + t log(n / N), y)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from residerm.config import TrainOptions
from residerm.models.model import ParameterGroup

GROWING = 0.75  # the share of a training in which images grow, with `grow_from`


@dataclass(frozen=True)
class Loss:
    """The loss of a batch, and the prior over classes in the outputs of a model trained with it."""

    weights: Tensor  # (classes,)
    adjustment: Tensor  # (classes,) added to the logits
    label_smoothing: float
    prior: np.ndarray  # (classes,) what the model's probabilities should be divided by to give likelihoods

    def __call__(self, logits: Tensor, labels: Labels) -> Tensor:
        """The mean loss; for mixed images, the losses of both labels are weighted by their shares."""
        logits = logits.float() + self.adjustment
        if labels.share is None:
            return self._each(logits, labels.own).mean()
        own, other = self._each(logits, labels.own), self._each(logits, labels.other)
        return (labels.share * own + (1 - labels.share) * other).mean()

    def _each(self, logits: Tensor, labels: Tensor) -> Tensor:
        each = F.cross_entropy(logits, labels, reduction="none", label_smoothing=self.label_smoothing)
        return each * self.weights[labels]


class Labels(NamedTuple):
    """The labels of a batch; for mixup also the labels of the partners and the weights of the images."""

    own: Tensor  # (n,)
    other: Tensor  # (n,)
    share: Tensor | None = None  # (n,)
    taught: Tensor | None = None  # (n, classes) a teacher's logits

    def parts(self, number: int) -> list[Labels]:
        """Split into `number` parts."""
        fields = [[None] * number if field is None else field.tensor_split(number) for field in self]
        return [Labels(*part) for part in zip(*fields, strict=True)]

    def accuracy(self, logits: Tensor) -> Tensor:
        """The accuracy; for mixed images, weighted by the shares of both labels."""
        predicted = logits.argmax(1)
        own = (predicted == self.own).float()
        if self.share is None:
            return own.mean()
        return (self.share * own + (1 - self.share) * (predicted == self.other).float()).mean()


def loss_for(counts: np.ndarray, options: TrainOptions, device: torch.device) -> Loss:
    """The loss for a training part with these numbers of images per class (after resampling)."""
    share, power = counts / counts.sum(), options.class_weight_power or 0.0
    weights = np.where(counts > 0, np.maximum(share, 1e-12) ** -power, 0.0)
    weights /= (weights * share).sum()
    effective = np.maximum(share * weights, 1e-12)
    adjusted = effective / np.maximum(share, 1e-12) ** options.logit_adjustment
    adjustment = options.logit_adjustment * np.log(np.maximum(share, 1e-12))
    return Loss(
        torch.tensor(weights, dtype=torch.float32, device=device),
        torch.tensor(adjustment, dtype=torch.float32, device=device),
        options.label_smoothing,
        adjusted / adjusted.sum(),
    )


def optimizer_for(groups: Sequence[ParameterGroup], options: TrainOptions) -> torch.optim.Optimizer:
    """Create the optimiser; each parameter group stores the factor on its learning rate as `factor`."""
    parts = [part for group in groups for part in _decayed_or_not(group, options.weight_decay)]
    if options.optimizer == "sgd":
        return torch.optim.SGD(parts, lr=options.rate, momentum=options.momentum, nesterov=options.momentum > 0)
    kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    return kind(parts, lr=options.rate, betas=(options.momentum, 0.999), fused=True)


def _decayed_or_not(group: ParameterGroup, decay: float) -> Iterable[dict[str, object]]:
    """Split a group: matrices and filters have weight decay; biases and normalisation, with one dimension, do not."""
    parameters = [parameter for parameter in group.parameters if parameter.requires_grad]
    for wide in (True, False):
        own = [parameter for parameter in parameters if (parameter.ndim > 1) == wide]
        if own:
            yield {"params": own, "factor": group.factor, "weight_decay": decay if wide else 0.0}


def rate_factor(step: int, steps: int, options: TrainOptions) -> float:
    """The learning rate at a step, relative to the highest rate."""
    progress = step / max(steps, 1)
    if options.schedule == "constant":
        return 1.0
    if options.schedule == "step":
        return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01
    if options.schedule == "one-cycle" and progress < options.warmup:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * progress / options.warmup)) / 2
    start = options.warmup if options.schedule == "one-cycle" else 0.0
    return (1 + math.cos(math.pi * (progress - start) / (1 - start))) / 2


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of each group, multiplied by its factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)


def size_at(step: int, steps: int, full: int, options: TrainOptions) -> int:
    """The image size at a step: it grows linearly, in multiples of 8 pixels."""
    if options.grow_from is None:
        return full
    grown = options.grow_from + (full - options.grow_from) * min(1.0, step / (GROWING * steps))
    return min(full, max(options.grow_from, round(grown / 8) * 8))


def shrink(images: Tensor, size: int) -> Tensor:
    """Downsample images to a smaller size with antialiasing."""
    if images.shape[-1] <= size:
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)


def mix(images: Tensor, labels: Tensor, options: TrainOptions, *, epoch: int, step: int) -> tuple[Tensor, Labels]:
    """Mix each image with another of its batch (mixup)."""
    if not options.mixup:
        return images, Labels(labels, labels)
    random = np.random.default_rng([options.seed, epoch, step, 1])
    share = torch.from_numpy(random.beta(options.mixup, options.mixup, len(images)).astype(np.float32))
    partner = torch.from_numpy(random.permutation(len(images)))
    share, partner = share.to(images.device), partner.to(images.device)
    wide = share.view(-1, 1, 1, 1)
    return images * wide + images[partner] * (1 - wide), Labels(labels, labels[partner], share)


class MovingAverage:
    """The exponential moving average (EMA) of a model's weights, which is validated and kept instead of the model.

    The decay grows with the steps, (1 + t) / (10 + t), up to the given one, so that early weights are forgotten.
    """

    def __init__(self, model: nn.Module, averaged: nn.Module, decay: float) -> None:
        """Average `model` into `averaged`, a copy of it."""
        self.module, self._decay = averaged.requires_grad_(False).eval(), decay
        self._pairs = [
            (own, other) for own, other in zip(averaged.state_dict().values(), model.state_dict().values(), strict=True)
        ]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update the average after a step; counters, such as BatchNorm's, are copied."""
        decay = min(self._decay, (1 + step) / (10 + step))
        floating = [(own, new) for own, new in self._pairs if own.is_floating_point()]
        own, new = [pair[0] for pair in floating], [pair[1] for pair in floating]
        torch._foreach_lerp_(own, new, 1 - decay)
        for own_count, new_count in ((a, b) for a, b in self._pairs if not a.is_floating_point()):
            own_count.copy_(new_count)
