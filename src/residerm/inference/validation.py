"""What must hold of a bundle and of its model's outputs before anything is shown: a bundle may be anybody's.

The description is checked by its own fields (see `description`). Here are its file, the weights, and the outputs. A
network with a NaN among its weights would name the first class of every image, with a probability of `nan`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from residerm.errors import ResidermError, explain
from residerm.files import read_regular

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_DESCRIPTION = 2**22  # bytes of a model.json: 10,000 classes with long names fit
_LARGEST_WEIGHT = 1e12  # in magnitude; trained networks stay below a million


class BundleError(ResidermError):
    """A bundle is damaged or incomplete."""


def read_small_file(path: Path, most: int = LARGEST_DESCRIPTION) -> bytes:
    """The bytes of a regular file of a limited size: a pipe would wait for ever, a giant would fill the memory."""
    try:
        return read_regular(path, most)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {explain(error)}; the bundle is damaged") from error


def require_sound_weights(weights: Mapping[str, Tensor], source: Path) -> None:
    """Refuse weights of another precision than float32, and those that are not finite or absurdly large."""
    for name, tensor in weights.items():
        if complaint := _complaint(name, tensor):
            raise BundleError(f"{source}: {name} {complaint}; the bundle is damaged, or was not written by residerm")


def require_finite(outputs: np.ndarray, source: str) -> None:
    """Refuse outputs that are not finite: whatever is made of them would look like an answer."""
    if not np.isfinite(outputs).all():
        raise BundleError(f"{source} gives outputs that are not finite; its weights are damaged, so nothing is shown")


def _complaint(name: str, tensor: Tensor) -> str | None:
    """What is wrong with one tensor; counters of BatchNorm are integers and harmless."""
    import torch

    if tensor.dtype == torch.int64 or not tensor.numel():
        return None
    if tensor.dtype != torch.float32:
        return f"is {str(tensor.dtype).removeprefix('torch.')} where weights are float32"
    least, most = (value.item() for value in torch.aminmax(tensor))
    if not max(-least, most) <= _LARGEST_WEIGHT:  # which NaN is not either
        return f"holds values that are not finite, or larger than {_LARGEST_WEIGHT:.0e}"
    if name.endswith("running_var") and least < 0:
        return "holds negative variances"
    return None
