"""The replacement of covered pixels: the blurred image, which adds neither edges nor new colours."""

from __future__ import annotations

import numpy as np

_REACH = 3.0  # where the Gaussian is truncated, in standard deviations


def blurred(pixels: np.ndarray, share: float = 0.125) -> np.ndarray:
    """Blur images (n, s, s, 3) with a Gaussian of standard deviation `share` times their size, and mirrored edges."""
    kernel = _kernel(share * pixels.shape[1])
    matrix = _filter(kernel, pixels.shape[1])
    rows = np.einsum("ij,njkc->nikc", matrix, pixels.astype(np.float32), optimize=True)
    smooth = np.einsum("kj,nijc->nikc", matrix, rows, optimize=True)
    rounded: np.ndarray = np.rint(smooth).clip(0, 255).astype(pixels.dtype)
    return rounded


def _kernel(deviation: float) -> np.ndarray:
    reach = max(1, round(_REACH * deviation))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(deviation, 1e-6)) ** 2)
    kernel: np.ndarray = weights / weights.sum()
    return kernel


def _filter(kernel: np.ndarray, side: int) -> np.ndarray:
    """The filter along one axis as a matrix (side, side), with mirrored borders."""
    reach = len(kernel) // 2
    places = np.arange(side)[:, None] + np.arange(-reach, reach + 1)
    folded = np.abs((places + side) % (2 * side) - side)  # period of two sides
    inside = np.minimum(folded, side - 1)
    matrix = np.zeros((side, side), np.float32)
    np.add.at(matrix, (np.arange(side)[:, None], inside), kernel[None, :].astype(np.float32))
    return matrix
