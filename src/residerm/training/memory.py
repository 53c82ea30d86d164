"""The memory of a training: refused where its weights alone need more than there is, explained where a step does.

The check is for the CPU, where the system would end the process without a word; a GPU that is full raises an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from residerm.config import TrainOptions
from residerm.errors import ResidermError, UsageError

_STATES = {"adamw": 2, "adam": 2, "sgd": 1}  # numbers that an optimiser keeps of each weight
_BYTES = 4  # of a number


def memory_of(model: nn.Module, options: TrainOptions) -> int:
    """Bytes of the weights, their moving average, their gradients and the optimiser's state; no batch is in them."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    trained = sum(size for size, trainable in sizes if trainable)
    return _BYTES * (2 * sum(size for size, _ in sizes) + (1 + _STATES[options.optimizer]) * trained)


def require_memory(model: nn.Module, options: TrainOptions, here: int | None = None) -> None:
    """Refuse a network that could be built here, but not trained."""
    here, needed = here or _physical_memory(), memory_of(model, options)
    if here is not None and needed > here:
        raise UsageError(
            f"`model`: to train it takes {needed / 1e9:,.1f} GB of memory for its weights, their moving average, their "
            f"gradients and the state of {options.optimizer}, without any batch, and this machine has "
            f"{here / 1e9:,.1f} GB: choose a smaller network"
        )


@contextmanager
def explained_memory(options: TrainOptions) -> Iterator[None]:
    """Say what would take less memory where PyTorch could not get enough."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_about_memory(error):
            raise
        raise ResidermError(
            f"there is not enough memory to train with `batch_size={options.batch_size}`: give a smaller one, or a "
            "larger `accumulate`, or choose a smaller network or size"
        ) from error


def _is_about_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _physical_memory() -> int | None:
    """Bytes of memory of this machine; None where they are not known, or not what the training uses."""
    if torch.cuda.is_available() or not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
