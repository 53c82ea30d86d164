"""Scored images: everything that does not depend on weights, computed once and used in every resample.

`Images` contains validated labels, probabilities and groups. A `Question` is a class against the rest, or malignant
against benign: which images are positive, which were predicted positive, and with which probability. The predicted
class is by default the one with the highest probability; of equal ones, the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from residerm.errors import UsageError, listed, nearest
from residerm.scores.curves import Ranking, rank
from residerm.scores.epoch import surprise

BINS = 15  # of equal width from 0 to 1, for the calibration; a confidence on a border belongs to the lower bin


@dataclass(frozen=True, eq=False)
class Images:
    """Images with their true classes, a model's predictions, and the groups by which they are resampled."""

    labels: np.ndarray
    probabilities: np.ndarray
    predicted: np.ndarray
    classes: tuple[str, ...]
    groups: np.ndarray  # numbered from 0 without gaps

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, chosen: np.ndarray) -> Images:
        """A subset of the images."""
        groups = np.unique(self.groups[chosen], return_inverse=True)[1]
        return Images(self.labels[chosen], self.probabilities[chosen], self.predicted[chosen], self.classes, groups)

    @cached_property
    def right(self) -> np.ndarray:
        """Whether the predicted class is the true one."""
        right: np.ndarray = self.predicted == self.labels
        return right

    @cached_property
    def present(self) -> np.ndarray:
        """The classes with images."""
        return np.unique(self.labels)

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """The names of the classes without images."""
        return tuple(name for number, name in enumerate(self.classes) if number not in self.present)

    @cached_property
    def never_predicted(self) -> tuple[str, ...]:
        """The names of the classes that have images but were never predicted."""
        return tuple(self.classes[number] for number in self.present if number not in self.predicted)

    @cached_property
    def place_of_label(self) -> np.ndarray:
        """The rank of the true class by probability, from 0; ties are in the order of the classes."""
        order = np.argsort(-self.probabilities, axis=1, kind="stable")
        place: np.ndarray = (order == self.labels[:, None]).argmax(axis=1)
        return place

    @cached_property
    def surprise(self) -> np.ndarray:
        """Each image's contribution to the log loss."""
        return surprise(self.labels, self.probabilities)

    @cached_property
    def squared_error(self) -> np.ndarray:
        """Each image's contribution to the Brier score: the squared differences to 0 and 1, summed over the classes."""
        truth = np.eye(len(self.classes))[self.labels]
        error: np.ndarray = ((self.probabilities - truth) ** 2).sum(axis=1)
        return error

    @cached_property
    def confidence(self) -> np.ndarray:
        """The probability of the predicted class."""
        confidence: np.ndarray = self.probabilities[np.arange(len(self)), self.predicted]
        return confidence

    @cached_property
    def bin(self) -> np.ndarray:
        """The bin of the confidence."""
        bins: np.ndarray = np.digitize(self.confidence, np.arange(1, BINS) / BINS, right=True)
        return bins

    @cached_property
    def excess_in_bins(self) -> np.ndarray:
        """The confidence minus 1 if right, or minus 0 if wrong, in the column of its bin."""
        excess: np.ndarray = np.eye(BINS)[self.bin] * (self.confidence - self.right)[:, None]  # images × bins
        return excess

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """Each class against the rest."""
        return tuple(
            Question(name, self.labels == number, self.predicted == number, self.probabilities[:, number])
            for number, name in enumerate(self.classes)
        )

    def malignancy(self, malignant: Sequence[str]) -> Question:
        """Malignant against benign, from several classes: their summed probabilities and the predicted class."""
        stray = [name for name in malignant if name not in self.classes]
        if stray:
            raise UsageError(f"malignant: {stray[0]!r} is not one of the classes.{nearest(stray[0], self.classes)}")
        chosen = np.isin(self.classes, list(malignant))
        return Question(
            "a malignant class", chosen[self.labels], chosen[self.predicted], self.probabilities @ chosen.astype(float)
        )


@dataclass(frozen=True, eq=False)
class Question:
    """One class against the rest: which images are positive, which were predicted positive, and how probable it was."""

    name: str
    positive: np.ndarray
    called: np.ndarray
    probability: np.ndarray

    @cached_property
    def columns(self) -> np.ndarray:
        """The columns that are counted: images, positives, predicted positives, and true positives."""
        masks = np.ones_like(self.positive), self.positive, self.called, self.positive & self.called
        return np.stack(masks, axis=1).astype(float)  # images × 4

    def images_of(self, count: str) -> np.ndarray:
        """Which images are positive, negative, predicted positive, or predicted negative."""
        masks = {
            "positives": self.positive, "negatives": ~self.positive, "called": self.called, "not_called": ~self.called
        }  # fmt: skip
        return masks[count]

    @cached_property
    def ranking(self) -> Ranking:
        """The images from the most probable to the least."""
        return rank(self.positive, self.probability)


def checked_images(
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
    groups: np.ndarray | Sequence[str],
    predicted: np.ndarray | None = None,
) -> Images:
    """Validate the arrays and return the images; an error says which arrays do not match."""
    labels, probabilities, groups = np.asarray(labels), np.asarray(probabilities, dtype=np.float64), np.asarray(groups)
    if len(labels) == 0:
        raise UsageError("there are no images to score")
    if probabilities.shape != (len(labels), len(classes)):
        raise UsageError(
            f"probabilities: {len(labels)} images of {len(classes)} classes need an array of that shape, "
            f"not {' × '.join(map(str, probabilities.shape))}"
        )
    if len(groups) != len(labels):
        raise UsageError(f"groups: there are {len(groups)} for {len(labels)} images")
    predicted = probabilities.argmax(axis=1) if predicted is None else np.asarray(predicted)
    if predicted.shape != labels.shape:
        raise UsageError(f"predicted: there are {predicted.size} for {len(labels)} images")
    for name, numbers in (("labels", labels), ("predicted", predicted)):
        if not np.issubdtype(numbers.dtype, np.integer) or numbers.min() < 0 or numbers.max() >= len(classes):
            raise UsageError(f"{name} must be integers from 0 to {len(classes) - 1}, one for each image")
    bad = np.flatnonzero(~(np.isfinite(probabilities) & (probabilities >= 0)).all(axis=1))
    if len(bad):
        raise UsageError(f"probabilities: negative ones or none at all in the row of image {listed(bad)}")
    return Images(labels, probabilities, predicted, tuple(classes), np.unique(groups, return_inverse=True)[1])
