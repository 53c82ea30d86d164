"""The cost of a network: its parameters, and its multiply-adds for one image.

They are counted by PyTorch's FLOP counter on the meta device, so that no memory is allocated for the weights. It counts
matrix products, convolutions and attention, with two floating-point operations per multiply-add; element-wise
operations are not counted, as in published tables. Operations that do not change shapes are skipped (shapes.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from residerm.config import ResNetOptions
from residerm.errors import UsageError
from residerm.models.networks import AS_PUBLISHED, network, require
from residerm.models.shapes import ShapesAlone


@dataclass(frozen=True)
class Complexity:
    """The cost of a network for one image."""

    parameters: int
    multiply_adds: int


def measure(name: str, classes: int, size: int, resnet: ResNetOptions = AS_PUBLISHED) -> Complexity | None:
    """The cost of a network by name for images of `size` pixels; None if it does not support this size."""
    require(name)  # imports timm, if needed, before the meta device is active
    counter = FlopCounterMode(display=False)
    try:
        with torch.device("meta"), torch.no_grad(), ShapesAlone():
            bare = network(name, classes, size, resnet).eval()
            with counter:
                bare(torch.empty(1, 3, size, size))
    except UsageError:
        raise
    except Exception:  # networks raise various exceptions for an unsupported size
        return None
    parameters = sum(parameter.numel() for parameter in bare.parameters())
    return Complexity(parameters, counter.get_total_flops() // 2)
