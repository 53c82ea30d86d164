"""The objective of a training: the loss, the predictions and scores in validation, and the score that selects.

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
    """The validation scores of an epoch."""

    scores: Mapping[str, float]
    score: float | None  # the one that selects; None if there is nothing to score
    standard_error: Callable[[], float]  # of that one


class Objective(Protocol):
    """The interface of a task."""

    @property
    def select(self) -> str:
        """The name of the score that chooses the checkpoint."""

    @property
    def prior(self) -> tuple[float, ...]:
        """The prior of the classes in the probabilities of a model trained with it."""

    def targets(
        self, images: Tensor, labels: Tensor, *, rows: np.ndarray, epoch: int, step: int
    ) -> tuple[Tensor, Labels]:
        """The images and targets of a batch."""

    def loss(self, outputs: Tensor, targets: Labels) -> tuple[Tensor, Tensor]:
        """The mean loss of some images, and their accuracy."""

    def answers(self, outputs: Tensor) -> np.ndarray:
        """The predictions from the outputs for a validation batch."""

    def validate(self, rows: np.ndarray, labels: np.ndarray, answers: np.ndarray) -> Validation:
        """The scores of predictions; empty without any rows."""


@dataclass(frozen=True)
class Classification:
    """Classification with cross-entropy."""

    cross_entropy: Loss
    groups: np.ndarray  # the lesion of each record
    options: TrainOptions

    @property
    def select(self) -> str:
        """The name of the score that chooses the checkpoint."""
        return self.options.select

    @property
    def prior(self) -> tuple[float, ...]:
        """The class frequencies, with the weights and adjustments of the loss."""
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
        """The images and their labels, with mixup if it is used."""
        return mix(images, labels, self.options, epoch=epoch, step=step)

    def loss(self, outputs: Tensor, targets: Labels) -> tuple[Tensor, Tensor]:
        """The mean cross-entropy, and the accuracy."""
        return self.cross_entropy(outputs, targets), targets.accuracy(outputs)

    def answers(self, outputs: Tensor) -> np.ndarray:
        """Probabilities."""
        probabilities: np.ndarray = outputs.float().softmax(1).cpu().numpy()
        return probabilities

    def validate(self, rows: np.ndarray, labels: np.ndarray, answers: np.ndarray) -> Validation:
        """All scores of the probabilities."""
        scores = point_scores(labels, answers).values
        error = partial(standard_error, labels, answers, self.groups[rows], self.select)
        return Validation(scores, scores.get(self.select), error)
