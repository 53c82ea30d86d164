"""Validate bundles, which are not trusted, and the outputs of their models.

The description is validated by its own fields (see `description`); its file, the weights and the outputs are checked
here. A network with a NaN weight would predict the first class for every image, with a probability of `nan`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from residerm.errors import ResidermError, system_reason
from residerm.files import read_regular

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_DESCRIPTION = 2**22  # bytes of a model.json, enough for 10,000 classes with long names
_LARGEST_WEIGHT = 1e12  # in magnitude; trained networks stay below a million


class BundleError(ResidermError):
    """A bundle is damaged or incomplete."""


def read_small_file(path: Path, most: int = LARGEST_DESCRIPTION) -> bytes:
    """Read a regular file of a limited size, because a pipe would block and a huge file would fill the memory."""
    try:
        return read_regular(path, most)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {system_reason(error)}; the bundle is damaged") from error


def require_sound_weights(weights: Mapping[str, Tensor], source: Path) -> None:
    """Raise `BundleError` for weights that are not float32, not finite, or absurdly large."""
    for name, tensor in weights.items():
        if complaint := _complaint(name, tensor):
            raise BundleError(f"{source}: {name} {complaint}; the bundle is damaged, or was not written by residerm")


def require_finite(outputs: np.ndarray, source: str) -> None:
    """Raise `BundleError` for outputs that are not finite, because predictions from them would look valid."""
    if not np.isfinite(outputs).all():
        raise BundleError(f"{source} returned outputs that are not finite; its weights are damaged")


def _complaint(name: str, tensor: Tensor) -> str | None:
    """What is wrong with one tensor, or None; the counters of BatchNorm are integers."""
    import torch

    if tensor.dtype == torch.int64 or not tensor.numel():
        return None
    if tensor.dtype != torch.float32:
        return f"is {str(tensor.dtype).removeprefix('torch.')} instead of float32"
    least, most = (value.item() for value in torch.aminmax(tensor))
    if not max(-least, most) <= _LARGEST_WEIGHT:  # also true for NaN
        return f"has values that are not finite, or larger than {_LARGEST_WEIGHT:.0e}"
    if name.endswith("running_var") and least < 0:
        return "has negative variances"
    return None
