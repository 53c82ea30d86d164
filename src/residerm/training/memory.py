"""The memory of a training: refused if it needs more than there is, explained if a step runs out of it.

What is needed is a lower limit: the weights with their optimiser, and what back-propagation keeps of one batch.

The check is for the CPU, where the system would end the process without a word; a GPU that is full raises an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call

from residerm.config import TrainOptions
from residerm.errors import ResidermError, UsageError
from residerm.inference.precision import choose_precision

_STATES = {"adamw": 2, "adam": 2, "sgd": 1}  # numbers that an optimiser keeps of each weight
_BYTES = 4  # of a number


def memory_of(model: nn.Module, options: TrainOptions) -> int:
    """Bytes of the weights, their moving average, their gradients and the optimiser's state; no batch is in them."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    trained = sum(size for size, trainable in sizes if trainable)
    return _BYTES * (2 * sum(size for size, _ in sizes) + (1 + _STATES[options.optimizer]) * trained)


def activations_of(model: nn.Module, images: int, size: int) -> int:
    """Numbers that back-propagation keeps of a batch of images; 0 if they cannot be counted.

    They are counted on PyTorch's meta device, which allocates nothing, as the difference between batches of four and of
    two, so that weights are not in them. There, attention keeps a matrix that it does not keep on the CPU.
    """
    if any(hasattr(module, "fused_attn") for module in model.modules()):
        return 0
    try:
        kept = [_kept_for_backward(model, batch, size) for batch in (2, 4)]
    except Exception:  # networks raise various exceptions for tensors without values
        return 0
    return (kept[1] - kept[0]) * images // 2


def _kept_for_backward(model: nn.Module, images: int, size: int) -> int:
    found: dict[int, Tensor] = {}  # by storage, since an output may be kept by several layers

    def keep(tensor: Tensor) -> Tensor:
        found[tensor.untyped_storage()._cdata] = tensor  # kept alive, so that no other storage gets the same address
        return tensor

    weights = {
        name: tensor.detach().to("meta").requires_grad_(tensor.requires_grad)
        for name, tensor in (*model.named_parameters(), *model.named_buffers())
    }
    with torch.random.fork_rng(devices=[]), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        functional_call(model, weights, torch.empty(images, 3, size, size, device="meta"))
    return sum(tensor.untyped_storage().nbytes() for tensor in found.values()) // _BYTES


def require_memory(model: nn.Module, options: TrainOptions, size: int, here: int | None = None) -> None:
    """Refuse a network that could be built here, but not trained, and a batch whose outputs do not fit beside it."""
    here, needed = here or _physical_memory(), memory_of(model, options)
    if here is None:
        return
    weights = (
        f"{needed / 1e9:,.1f} GB of memory for its weights, their moving average, their gradients and the state of "
        f"{options.optimizer}"
    )
    if needed > here:
        raise UsageError(
            f"`model`: to train it takes {weights}, without any batch, and this machine has {here / 1e9:,.1f} GB: "
            "choose a smaller network"
        )
    number = _BYTES if choose_precision(options.precision, "cpu") == "float32" else _BYTES // 2
    activations = number * activations_of(model, options.batch_size // options.accumulate, size)
    if needed + activations > here:
        raise UsageError(
            f"`batch_size={options.batch_size}`: a step takes at least {activations / 1e9:,.1f} GB of memory for the "
            f"outputs of the layers, and {weights}, and this machine has {here / 1e9:,.1f} GB: give a smaller one, or "
            "a larger `accumulate`, or choose a smaller network or size"
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
