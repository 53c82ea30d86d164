"""What a network is trained for: the loss, what is kept of a validation image, the scores, and which one selects.

The loop knows an `Objective` and nothing of classes, so that another task is another class here. `Classification` is
the only one so far: cross-entropy with the weights and the prior of `recipe.Loss`, and the scores of `scores/epoch`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from torch import Tensor

from residerm.config import TrainOptions
from residerm.scores import point_scores, standard_error
from residerm.training.recipe import Labels, Loss, mix


@dataclass(frozen=True)
class Validation:
    """How good the weights of an epoch are on the validation part."""

    scores: Mapping[str, float]
    score: float | None  # the one that selects; None where there is nothing to score
    standard_error: Callable[[], float]  # of that one


class Objective(Protocol):
    """What the loop has to know of a task."""

    @property
    def select(self) -> str:
        """The name of the score that chooses the checkpoint."""

    @property
    def prior(self) -> tuple[float, ...]:
        """The share of each class that a model trained with it carries in its probabilities."""

    def targets(
        self, images: Tensor, labels: Tensor, *, rows: np.ndarray, epoch: int, step: int
    ) -> tuple[Tensor, Labels]:
        """A batch as the network is to learn it."""

    def loss(self, outputs: Tensor, targets: Labels) -> tuple[Tensor, Tensor]:
        """The mean loss of some images, and their accuracy."""

    def answers(self, outputs: Tensor) -> np.ndarray:
        """What is kept of the outputs of a batch of the validation part."""

    def validate(self, rows: np.ndarray, labels: np.ndarray, answers: np.ndarray) -> Validation:
        """The scores of these answers; without any rows, none."""


@dataclass(frozen=True)
class Classification:
    """Tell classes apart."""

    cross_entropy: Loss
    groups: np.ndarray  # the lesion of each record
    options: TrainOptions

    @property
    def select(self) -> str:
        """The name of the score that chooses the checkpoint."""
        return self.options.select

    @property
    def prior(self) -> tuple[float, ...]:
        """The share of each class, as the loss weighs and adjusts it."""
        return tuple(float(share) for share in self.cross_entropy.prior)

    def targets(
        self,
        images: Tensor,
        labels: Tensor,
        *,
        rows: np.ndarray,  # noqa: ARG002 the records, for objectives that know more of an image than its label
        epoch: int,
        step: int,
    ) -> tuple[Tensor, Labels]:
        """The images and their labels, mixed where that is asked for."""
        return mix(images, labels, self.options, epoch=epoch, step=step)

    def loss(self, outputs: Tensor, targets: Labels) -> tuple[Tensor, Tensor]:
        """The mean cross-entropy, and the share of the labels that the largest logits name."""
        return self.cross_entropy(outputs, targets), targets.share_named(outputs)

    def answers(self, outputs: Tensor) -> np.ndarray:
        """Probabilities."""
        probabilities: np.ndarray = outputs.float().softmax(1).cpu().numpy()
        return probabilities

    def validate(self, rows: np.ndarray, labels: np.ndarray, answers: np.ndarray) -> Validation:
        """All scores of the probabilities."""
        scores = point_scores(labels, answers).values
        error = partial(standard_error, labels, answers, self.groups[rows], self.select)
        return Validation(scores, scores.get(self.select), error)
