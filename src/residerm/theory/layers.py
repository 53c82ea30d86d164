"""Measure the size of activations and gradients at every layer of any network with hooks.

Layers are convolutions and linear layers, in the order of the forward pass. With the loss E of a batch,

    activation      root mean square of the layer's output
    gradient        log10 |∂E/∂W|, the norm of the gradient of its weights
    relative        log10 (|∂E/∂W| / |W|): the relative change that is asked of a layer

The network itself is not changed: a copy in float64 is measured, with BatchNorm in training mode and without dropout.
Nothing underflows: values that are too small for float64 are measured again with the loss multiplied by 2^900, which
only changes exponents. A gradient that is exactly zero is None.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from residerm.errors import UsageError

_LARGE = 2.0**900
_SMALLEST = 1e-290  # below this, float64 soon loses digits
# log10 of the relative gradient below which a step of SGD with rate 0.1 is lost in the rounding of float32 weights.
NOTHING = math.log10(2**-24 / 0.1)


class LayerDict(TypedDict):
    """The measurements of one layer as plain data."""

    layer: str
    activation: float
    log10_gradient: float | None
    log10_gradient_relative_to_weights: float | None


@dataclass(frozen=True)
class Layer:
    """The measurements of one layer."""

    name: str
    activation: float
    gradient: float | None
    relative: float | None  # None also if the weights are zero

    @property
    def receives_nothing(self) -> bool:
        """Whether its gradient is too small to change float32 weights."""
        return self.gradient is None or (self.relative is not None and self.relative < NOTHING)

    def to_dict(self) -> LayerDict:
        """The measurements as plain data, for JSON."""
        return {
            "layer": self.name,
            "activation": self.activation,
            "log10_gradient": self.gradient,
            "log10_gradient_relative_to_weights": self.relative,
        }


class MeasuredDict(TypedDict):
    """The measurements of a network as plain data."""

    loss: float
    gradient_per_layer: float | None
    receiving_nothing: list[str]
    dead: list[str]
    layers: list[LayerDict]


@dataclass
class _Seen:
    """A layer, in the order of the calls, and the size of its output."""

    name: str
    module: nn.Module
    activation: float = math.nan


@dataclass(frozen=True)
class Measured:
    """All layers of a network, from the first to the last, and the loss."""

    layers: tuple[Layer, ...]
    loss: float

    @property
    def starved(self) -> list[str]:
        """The layers whose gradients are too small to change float32 weights."""
        return [one.name for one in self.layers if one.receives_nothing]

    @property
    def dead(self) -> list[str]:
        """The layers whose outputs are all zero."""
        return [one.name for one in self.layers if one.activation == 0]

    @property
    def per_layer(self) -> float | None:
        """The mean factor by which the gradient changes from one layer to the previous one."""
        first, last = self.layers[0].gradient, self.layers[-1].gradient
        if first is None or last is None or len(self.layers) < 2:
            return None
        return float(10 ** ((first - last) / (len(self.layers) - 1)))

    def to_dict(self) -> MeasuredDict:
        """The measurements as plain data, for JSON."""
        return {
            "loss": self.loss,
            "gradient_per_layer": self.per_layer,
            "receiving_nothing": self.starved,
            "dead": self.dead,
            "layers": [layer.to_dict() for layer in self.layers],
        }


def measure(network: nn.Module, images: Tensor, labels: Tensor) -> Measured:
    """Measure every layer of a network on one batch of normalised images."""
    twin = _prepared(network)
    with _watched(twin) as seen:
        loss = F.cross_entropy(twin(images.double()), labels)
    if not seen:
        raise UsageError("this network has no convolution and no linear layer to measure")
    weights = [one.module.get_parameter("weight") for one in seen]
    gradients = _log_norms(loss, weights)
    layers = []
    for one, weight, gradient in zip(seen, weights, gradients, strict=True):
        size = _log_norm(weight.detach())
        relative = None if gradient is None or size is None else gradient - size
        layers.append(Layer(one.name, one.activation, gradient, relative))
    return Measured(tuple(layers), loss.item())


def _prepared(network: nn.Module) -> nn.Module:
    """A copy in float64 with gradients for all layers; BatchNorm in training mode, the rest in evaluation mode."""
    twin = copy.deepcopy(network).double().eval().requires_grad_(True)
    for module in twin.modules():
        if isinstance(module, _BatchNorm):
            module.train()
    return twin


@contextmanager
def _watched(network: nn.Module) -> Iterator[list[_Seen]]:
    """Record the layers that are called during the `with` block."""
    seen: list[_Seen] = []

    def watch(name: str) -> Any:
        def hook(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen.append(_Seen(name, module, output.detach().square().mean().sqrt().item()))

        return hook

    handles = [
        module.register_forward_hook(watch(name))
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _log_norms(loss: Tensor, weights: Sequence[Tensor]) -> list[float | None]:
    """log10 of the norm of each gradient."""
    plain = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
    found = [_log_norm(gradient) for gradient in plain]
    if all(value is not None and value > math.log10(_SMALLEST) for value in found):
        return found
    large = torch.autograd.grad(_LARGE * loss, weights, allow_unused=True)
    again = [_log_norm(gradient, _LARGE) for gradient in large]
    return [
        value if value is not None and value > math.log10(_SMALLEST) else other
        for value, other in zip(found, again, strict=True)
    ]


def _log_norm(gradient: Tensor | None, scale: float = 1.0) -> float | None:
    """log10 (|gradient| / scale), squared only after scaling the largest entry to 1."""
    largest = 0.0 if gradient is None else gradient.abs().max().item()
    if gradient is None or largest == 0:
        return None
    norm = torch.linalg.vector_norm(gradient / largest).item()
    return math.log10(largest) + math.log10(norm) - math.log10(scale)
