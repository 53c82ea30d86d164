"""Outlier scores, which measure the difference of an image from the training images.

    mahalanobis   the smallest Mahalanobis distance to a class mean, with the covariance within classes, all classes
                  weighted equally; the geometric mean of this for the features and for their normalised logarithms,
                  because each detects outliers that the other misses
    nearest       the distance to the 10th nearest training image, from the same number of images of each class
    energy        −log Σ exp(logit), which needs no features

The covariance is shrunk (Ledoit and Wolf 2004), and stored as its 64 largest principal axes with one variance for all
others, so that it takes kilobytes even with thousands of features. The threshold accepts the chosen fraction of new
lesions like those of the validation part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from residerm.config.trust import OutlierScore
from residerm.errors import UsageError
from residerm.outputs import Outputs

AXES = 64
NEIGHBOURS = 10
IMAGES_OF_CLASS = 100  # of the training images, for `nearest`
_SMALLEST = 1e-12  # lower bound of variances, for constant features
_LARGEST = 1e15  # bound of features, whose squares must be finite in float32
_STEEP = 3.0
_ROUNDS = 8
_CHUNK = 4096


class OutlierScorer(Protocol):
    """The interface of an outlier score, which is higher for images less similar to the training images."""

    def score(self, outputs: Outputs) -> np.ndarray:
        """The score of each image."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Its parameters, as stored in `trust.npz`."""


@dataclass(frozen=True)
class Energy:
    """The negative free energy of the logits."""

    def score(self, outputs: Outputs) -> np.ndarray:
        """−log Σ exp(logit)."""
        energy: np.ndarray = -log_sum_exp(outputs.logits.astype(np.float64))
        return energy

    def arrays(self) -> dict[str, np.ndarray]:
        """Empty, because it has no parameters."""
        return {}


@dataclass(frozen=True, eq=False)
class _QuadraticForm:
    """The squared distances to all means, multiplied out, so that they take one matrix product per batch.

    Vectors are centred at the mean of the means, which keeps the squares small, so that float32 is exact to 1e-6.
    """

    centre: np.ndarray  # (d,)
    products: np.ndarray  # (d, k + classes): the axes, and the means over the variance of the rest
    weights: np.ndarray  # (k,): the precision along the axes, less that of the rest
    along_means: np.ndarray  # (k, classes)
    squared_means: np.ndarray  # (classes,)


@dataclass(frozen=True, eq=False)
class Gaussians:
    """Class means, and the shrunk covariance within classes, as its largest axes and one variance for the rest."""

    means: np.ndarray  # (classes, d)
    axes: np.ndarray  # (d, k)
    variances: np.ndarray  # (k,)
    rest: float

    def distance(self, vectors: np.ndarray) -> np.ndarray:
        """The squared distance to the nearest class, divided by the number of dimensions."""
        form = self._form
        centred = vectors - form.centre
        products = (centred @ form.products).astype(np.float64)
        along, across = products[:, : len(form.weights)], products[:, len(form.weights) :]
        squares = _squared_lengths(centred).astype(np.float64) / self.rest + along**2 @ form.weights
        distances = squares[:, None] - 2 * (along @ form.along_means + across) + form.squared_means
        nearest: np.ndarray = np.maximum(distances.min(axis=1), 0) / vectors.shape[1]
        return nearest

    @cached_property
    def _form(self) -> _QuadraticForm:
        centre = self.means.mean(axis=0)
        means, weights = self.means - centre, 1 / self.variances - 1 / self.rest
        along = means @ self.axes
        return _QuadraticForm(
            centre=centre.astype(np.float32),
            products=np.hstack([self.axes, means.T / self.rest]).astype(np.float32),
            weights=weights,
            along_means=weights[:, None] * along.T,
            squared_means=(means**2).sum(axis=1) / self.rest + along**2 @ weights,
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Its parameters, by name."""
        return {
            "means": self.means.astype(np.float32),
            "axes": self.axes.astype(np.float32),
            "variances": self.variances,
            "rest": np.array(self.rest),
        }


@dataclass(frozen=True, eq=False)
class Mahalanobis:
    """Gaussians of the features and of their normalised logarithms; `unit` is the mean absolute feature."""

    plain: Gaussians
    compressed: Gaussians
    unit: float

    def score(self, outputs: Outputs) -> np.ndarray:
        """The geometric mean of both distances."""
        features = _features(outputs).clip(-_LARGEST, _LARGEST).astype(np.float32)
        together: np.ndarray = np.sqrt(
            self.plain.distance(features) * self.compressed.distance(_compressed(features, self.unit))
        )
        return together

    def arrays(self) -> dict[str, np.ndarray]:
        """Its parameters, by name."""
        both = {"plain": self.plain, "compressed": self.compressed}
        arrays = {f"{kind}_{name}": values for kind, one in both.items() for name, values in one.arrays().items()}
        return arrays | {"unit": np.array(self.unit)}


@dataclass(frozen=True, eq=False)
class Nearest:
    """The normalised features of some training images of each class."""

    bank: np.ndarray  # (images, d), of length 1

    def score(self, outputs: Outputs) -> np.ndarray:
        """The distance to the 10th nearest of the stored images."""
        directions, bank = _directions(_features(outputs).astype(np.float64)), self.bank.astype(np.float64)
        place = min(NEIGHBOURS, len(bank)) - 1
        parts = [
            np.partition(2 - 2 * directions[start : start + _CHUNK] @ bank.T, place, axis=1)[:, place]
            for start in range(0, len(directions), _CHUNK)
        ]
        return np.sqrt(np.maximum(np.concatenate(parts), 0)) if parts else np.zeros(0)

    def arrays(self) -> dict[str, np.ndarray]:
        """Its parameters, by name."""
        return {"bank": self.bank.astype(np.float16)}


@dataclass(frozen=True, eq=False)
class Outliers:
    """A score with the threshold above which an image counts as an outlier."""

    name: OutlierScore
    score: OutlierScorer
    accepted: float
    threshold: float


def fit_score(name: OutlierScore, features: np.ndarray | None, labels: np.ndarray | None) -> OutlierScorer:
    """Fit the score of this name to the features of training images without augmentation."""
    if name == "energy":
        return Energy()
    if features is None or labels is None:
        raise UsageError(f"outlier_score {name} requires features of training images, which this model does not have")
    return fit_mahalanobis(features, labels) if name == "mahalanobis" else fit_nearest(features, labels)


def read_score(name: OutlierScore, arrays: Mapping[str, np.ndarray]) -> OutlierScorer:
    """Create the score of this name from the arrays in `trust.npz`."""
    if name == "energy":
        return Energy()
    if name == "nearest":
        return Nearest(arrays["bank"])
    plain, compressed = (_read_gaussians(arrays, kind) for kind in ("plain", "compressed"))
    if plain.means.shape[1] != compressed.means.shape[1]:
        raise ValueError("the statistics of the training features do not fit together")
    return Mahalanobis(plain, compressed, float(arrays["unit"]))


def _read_gaussians(arrays: Mapping[str, np.ndarray], kind: str) -> Gaussians:
    means, axes, variances = (arrays[f"{kind}_{key}"].astype(np.float64) for key in ("means", "axes", "variances"))
    if not (means.ndim == 2 and axes.shape == (means.shape[1], len(variances)) and variances.ndim == 1):
        raise ValueError("the statistics of the training features do not fit together")
    return Gaussians(means, axes, variances, float(arrays[f"{kind}_rest"]))


def fit_mahalanobis(features: np.ndarray, labels: np.ndarray) -> Mahalanobis:
    """Fit Gaussians to the training features and to their normalised logarithms."""
    features = features.astype(np.float64)
    unit = max(float(np.abs(features).mean()), _SMALLEST)
    return Mahalanobis(fit_gaussians(features, labels), fit_gaussians(_compressed(features, unit), labels), unit)


def fit_gaussians(features: np.ndarray, labels: np.ndarray) -> Gaussians:
    """Fit class means and a shrunk covariance to the training features, with equal weight for each class."""
    present, member, counts = np.unique(labels, return_inverse=True, return_counts=True)
    features, weights = features.astype(np.float64), 1 / (len(present) * counts[member])
    means = np.stack([features[member == number].mean(axis=0) for number in range(len(present))])
    covariance = shrunk_covariance(features - means[member], weights)
    variances, axes = _widest(covariance, min(AXES, len(covariance)))
    left = len(covariance) - len(variances)
    rest = (np.trace(covariance) - variances.sum()) / left if left else 1.0
    return Gaussians(means, axes, np.maximum(variances, _SMALLEST), max(float(rest), _SMALLEST))


def fit_nearest(features: np.ndarray, labels: np.ndarray, seed: int = 0) -> Nearest:
    """Store the training images of each class, but at most 100, drawn at random."""
    generator = np.random.default_rng(seed)
    rows = [generator.permutation(np.flatnonzero(labels == number))[:IMAGES_OF_CLASS] for number in np.unique(labels)]
    return Nearest(_directions(features[np.concatenate(rows)].astype(np.float64)))


def shrunk_covariance(centred: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted covariance of centred rows, with the shrinkage of Ledoit and Wolf.

    The weights sum to one; with equal weights, this is their estimate.
    """
    covariance = (centred * weights[:, None]).T @ centred
    width = len(covariance)
    mean = np.trace(covariance) / width
    size = (covariance**2).sum()
    away = size - width * mean**2
    square = (centred**2).sum(axis=1)
    along = ((centred @ covariance) * centred).sum(axis=1)
    noise = float((weights**2) @ (square**2 - 2 * along + size))
    share = min(noise / away, 1.0) if away > 0 else 1.0
    shrunk: np.ndarray = (1 - share) * covariance
    shrunk[np.diag_indices(width)] += share * mean
    return shrunk


def log_sum_exp(logits: np.ndarray) -> np.ndarray:
    """log Σ exp along the last axis, without overflow."""
    highest = logits.max(axis=-1)
    summed: np.ndarray = highest + np.log(np.exp(logits - highest[..., None]).sum(axis=-1))
    return summed


def _widest(covariance: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues and their eigenvectors; for large matrices by subspace iteration, which is faster."""
    if len(covariance) <= 8 * AXES:
        values, vectors = np.linalg.eigh(covariance)
        return values[::-1][:count], vectors[:, ::-1][:, :count]
    start = np.random.default_rng(0).standard_normal((len(covariance), count + count // 4))
    subspace = np.linalg.qr(start)[0]
    for _ in range(_ROUNDS):
        subspace = np.linalg.qr(covariance @ subspace)[0]
    values, vectors = np.linalg.eigh(subspace.T @ covariance @ subspace)
    return values[::-1][:count], (subspace @ vectors)[:, ::-1][:, :count]


def _features(outputs: Outputs) -> np.ndarray:
    if outputs.features is None:
        raise UsageError("these outputs have no features, which this model's outlier score requires")
    return outputs.features


def _compressed(features: np.ndarray, unit: float) -> np.ndarray:
    """Normalised logarithms, so that a few very large features do not dominate."""
    logarithms = np.log1p(np.abs(features) * features.dtype.type(_STEEP / unit))
    return _directions(np.copysign(logarithms, features))


def _directions(features: np.ndarray) -> np.ndarray:
    directions: np.ndarray = features / np.maximum(np.sqrt(_squared_lengths(features)), _SMALLEST)[:, None]
    return directions


def _squared_lengths(vectors: np.ndarray) -> np.ndarray:
    squared: np.ndarray = np.einsum("nd,nd->n", vectors, vectors)
    return squared
