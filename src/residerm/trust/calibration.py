"""Calibration of probabilities: logits are scaled to minimise the log loss on validation lesions.

    temperature:   softmax(z / T)             one parameter; keeps the order of the classes
    vector:        softmax(a · z + b)         two parameters per class; can shift the balance between classes

Both losses are convex and are minimised by Newton's method. Vector scaling is used if every class has enough lesions
and its log loss, cross-validated by lesion, is lower by more than the standard error of the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from residerm.outputs import softmax
from residerm.trust.lesions import count_lesions, folds, lesion_weights

Kind = Literal["none", "temperature", "vector"]

FEWEST_LESIONS = 20  # for a temperature
FEWEST_LESIONS_OF_CLASS = 20  # for vector scaling: ten per parameter
FOLDS = 5
_LOWEST, _HIGHEST = 0.05, 20.0  # of 1 / T: if all predictions are correct, the loss has no minimum
_RIDGE = 1e-3  # keeps the parameters of a rare class near those of the temperature
_STEPS = 100
_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Calibration:
    """Maps logits to calibrated logits by a factor and a shift per class."""

    kind: Kind
    scale: np.ndarray  # (classes,)
    shift: np.ndarray  # (classes,)
    prior: np.ndarray | None = None  # the prior in its probabilities; None: that of training

    @property
    def temperature(self) -> float | None:
        """The temperature T; None for vector scaling."""
        return None if self.kind == "vector" else float(1 / self.scale[0])

    def logits(self, logits: np.ndarray) -> np.ndarray:
        """The calibrated logits."""
        calibrated: np.ndarray = logits.astype(np.float64) * self.scale + self.shift
        return calibrated

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The calibrated probabilities."""
        return softmax(self.logits(logits))


@dataclass(frozen=True, eq=False)
class Fitted:
    """A calibration, and the probabilities of each validation image from a calibration fitted on other lesions."""

    calibration: Calibration
    held_out: np.ndarray  # (n, classes)


_Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], Calibration]


def unchanged(classes: int) -> Calibration:
    """The identity calibration."""
    return Calibration("none", np.ones(classes), np.zeros(classes))


def fit_calibration(logits: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> Fitted:
    """Fit the calibration for which there are enough validation lesions."""
    logits = logits.astype(np.float64)
    if count_lesions(groups) < FEWEST_LESIONS:
        return Fitted(unchanged(logits.shape[1]), softmax(logits))
    weights, fold = lesion_weights(groups), folds(labels, groups, FOLDS)
    by_temperature = _held_out(logits, labels, weights, fold, temperature_scaling)
    if not _enough_of_each_class(labels, groups, logits.shape[1]):
        return Fitted(temperature_scaling(logits, labels, weights), by_temperature)
    by_vector = _held_out(logits, labels, weights, fold, vector_scaling)
    if _is_better(by_vector, by_temperature, labels, groups):
        prior = weights @ by_vector / weights.sum()
        return Fitted(replace(vector_scaling(logits, labels, weights), prior=prior), by_vector)
    return Fitted(temperature_scaling(logits, labels, weights), by_temperature)


def temperature_scaling(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Calibration:
    """Fit the temperature that minimises the weighted log loss, by bracketed Newton's method on 1 / T."""
    low, high, factor = _LOWEST, _HIGHEST, 1.0
    of_label = logits[np.arange(len(labels)), labels]
    for _ in range(_STEPS):
        probabilities = softmax(factor * logits)
        mean = (probabilities * logits).sum(axis=1)
        slope = float(weights @ (mean - of_label))
        bend = float(weights @ ((probabilities * logits**2).sum(axis=1) - mean**2))
        low, high = (low, factor) if slope > 0 else (factor, high)
        if bend <= 0:  # all logits of an image are equal, so the factor has no effect
            break
        step = factor - slope / bend
        following = step if low < step < high else (low + high) / 2
        if abs(following - factor) < _TOLERANCE * factor:
            break
        factor = following
    return Calibration("temperature", np.full(logits.shape[1], factor), np.zeros(logits.shape[1]))


def vector_scaling(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Calibration:
    """Fit the factor and shift per class that minimise the weighted log loss, regularised towards the temperature."""
    classes = logits.shape[1]
    centre = np.concatenate([temperature_scaling(logits, labels, weights).scale, np.zeros(classes)])
    problem = _Vector(logits, np.eye(classes)[labels], weights / weights.sum(), centre)
    parameters = centre
    for _ in range(_STEPS):
        slope, bend = problem.derivatives(parameters)
        step = np.linalg.solve(bend, slope)
        parameters, moved = problem.descend(parameters, step, float(slope @ step))
        if not moved:
            break
    return Calibration("vector", parameters[:classes], parameters[classes:])


@dataclass(frozen=True, eq=False)
class _Vector:
    """The loss of vector scaling, with its derivatives."""

    logits: np.ndarray
    truth: np.ndarray  # (n, classes) of 0 and 1
    weights: np.ndarray
    centre: np.ndarray

    def probabilities(self, parameters: np.ndarray) -> np.ndarray:
        scale, shift = np.split(parameters, 2)
        return softmax(self.logits * scale + shift)

    def loss(self, parameters: np.ndarray) -> float:
        of_label = (self.probabilities(parameters) * self.truth).sum(axis=1)
        away = parameters - self.centre
        return float(-self.weights @ np.log(np.maximum(of_label, np.finfo(float).tiny)) + _RIDGE / 2 * away @ away)

    def derivatives(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The gradient and the Hessian."""
        probabilities = self.probabilities(parameters)
        both = np.stack([self.logits, np.ones_like(self.logits)], axis=1)  # n × 2 × classes
        slope = np.einsum("n,nkc,nc->kc", self.weights, both, probabilities - self.truth).ravel()
        weighted = both * probabilities[:, None]
        flat = weighted.reshape(len(weighted), -1)
        bend = -(flat * self.weights[:, None]).T @ flat
        own = np.einsum("n,nkc,nlc->klc", self.weights, weighted, both)
        classes = self.logits.shape[1]
        for first in range(2):
            for second in range(2):
                block = bend[first * classes : (first + 1) * classes, second * classes : (second + 1) * classes]
                block[np.diag_indices(classes)] += own[first, second]
        away = parameters - self.centre
        return slope + _RIDGE * away, bend + _RIDGE * np.eye(len(bend))

    def descend(self, parameters: np.ndarray, step: np.ndarray, promised: float) -> tuple[np.ndarray, bool]:
        """Backtracking line search along a Newton step: the new parameters, and whether they have moved."""
        before, length = self.loss(parameters), 1.0
        while promised > _TOLERANCE and length > _TOLERANCE:
            if self.loss(parameters - length * step) <= before - 1e-4 * length * promised:
                return parameters - length * step, True
            length /= 2
        return parameters, False


def _held_out(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray, fold: np.ndarray, fit: _Fit) -> np.ndarray:
    probabilities = np.empty_like(logits)
    for number in range(FOLDS):
        own = fold == number
        probabilities[own] = fit(logits[~own], labels[~own], weights[~own]).probabilities(logits[own])
    return probabilities


def _enough_of_each_class(labels: np.ndarray, groups: np.ndarray, classes: int) -> bool:
    lesions = [count_lesions(groups[labels == number]) for number in range(classes)]
    return min(lesions) >= FEWEST_LESIONS_OF_CLASS


def _is_better(first: np.ndarray, second: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> bool:
    """Whether the first log loss is lower by more than the standard error of the difference, by lesion."""
    rows, member = np.arange(len(labels)), np.unique(groups, return_inverse=True)[1]
    gain = np.log(first[rows, labels]) - np.log(second[rows, labels])
    by_lesion = np.bincount(member, gain * lesion_weights(groups))
    return bool(by_lesion.mean() > by_lesion.std(ddof=1) / np.sqrt(len(by_lesion)))
