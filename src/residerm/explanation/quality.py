"""How faithful a map is: how the prediction changes when the pixels that it highlights are deleted or inserted.

    deletion      the image is blurred, strongest evidence first: the faster the probability falls, the better
    insertion     a blurred image is restored, strongest evidence first: the faster it rises, the better

Both are the mean probability of the explained class over the steps (Petsiuk et al. 2018,
https://arxiv.org/abs/1806.07421). They mean little on their own: any map that highlights the centre does well if
lesions are in the centre. So they are compared with two maps that do not depend on the model: a centred Gaussian, and
noise of the same resolution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from residerm.explanation.evidence import resized
from residerm.explanation.infill import blurred

STEPS = 16
_BATCH = 64

Probabilities = Callable[[np.ndarray], np.ndarray]  # pixels (n, s, s, 3) uint8 → (n, classes)


@dataclass(frozen=True)
class Curves:
    """The deletion and insertion scores of some images, mean probabilities from 0 to 1."""

    deletion: np.ndarray  # (n,), lower is better
    insertion: np.ndarray  # (n,), higher is better


def quality_curves(probabilities: Probabilities, pixels: np.ndarray, numbers: np.ndarray, maps: np.ndarray) -> Curves:
    """The scores of maps (n, h, w) for images (n, s, s, 3), each for the class with the given index."""
    ranks, smooth = _ranks(resized(maps, pixels.shape[1])), blurred(pixels)
    found = [_of_image(probabilities, *given) for given in zip(pixels, smooth, ranks, numbers.tolist(), strict=True)]
    return Curves(*np.array(found).reshape(-1, 2).T)


def centred(images: int, side: int) -> np.ndarray:
    """A centred Gaussian for each image, with a standard deviation of a quarter of its size."""
    places = (np.arange(side) + 0.5) / side - 0.5
    profile = np.exp(-0.5 * (places / 0.25) ** 2)
    maps: np.ndarray = np.repeat(np.outer(profile, profile)[None], images, axis=0)
    return maps


def noise(images: int, side: int, seed: int = 0) -> np.ndarray:
    """A map of independent random values for each image."""
    return np.random.default_rng(seed).normal(size=(images, side, side))


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's correlation between two maps (n, h, w) of each image; NaN if one of them is constant."""
    one, other = (_centred_ranks(maps.reshape(len(maps), -1)) for maps in (first, second))
    scale = np.sqrt((one**2).sum(1) * (other**2).sum(1))
    empty = np.full(len(one), np.nan)
    found: np.ndarray = np.divide((one * other).sum(1), scale, out=empty, where=scale > 0)
    return found


def _ranks(maps: np.ndarray) -> np.ndarray:
    """The rank of each pixel, the strongest evidence first."""  # (n, s, s)
    flat = maps.reshape(len(maps), -1)
    order = np.argsort(-flat, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(flat.shape[1])[None], axis=1)
    shaped: np.ndarray = ranks.reshape(maps.shape)
    return shaped


def _of_image(
    probabilities: Probabilities, image: np.ndarray, smooth: np.ndarray, ranks: np.ndarray, number: int
) -> tuple[float, float]:
    """The mean probabilities over the steps of deletion and insertion for one image."""
    limits = np.linspace(0, ranks.size, STEPS + 1)[:, None, None]
    chosen = (ranks < limits)[..., None]  # (steps, s, s, 1)
    deleted, inserted = np.where(chosen, smooth, image), np.where(chosen, image, smooth)
    scores = probabilities(np.concatenate([deleted, inserted]))[:, number]
    return float(scores[: STEPS + 1].mean()), float(scores[STEPS + 1 :].mean())


def _centred_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks minus their mean; equal values have the mean of their ranks."""
    ranks = np.stack([_shared_ranks(row) for row in values])
    centred_ranks: np.ndarray = ranks - ranks.mean(axis=1, keepdims=True)
    return centred_ranks


def _shared_ranks(row: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(row, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: np.ndarray = (last - (counts - 1) / 2)[place]
    return shared
