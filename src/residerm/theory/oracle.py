"""The independent computation of every check: the same quantities by autograd and torch.optim, in float64.

Inputs and outputs are arrays, so that callers do not need torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from residerm.theory.backprop import Array, Backward
from residerm.theory.residual import BlockWeights

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "sigmoid": torch.sigmoid}


def slope(activation: str, x: Array) -> Array:
    """The derivative of an activation, by autograd."""
    leaf = _leaf(x)
    return _gradients(ACTIVATIONS[activation](leaf).sum(), [leaf])[0]


def value(activation: str, x: Array) -> Array:
    """An activation, by torch."""
    return ACTIVATIONS[activation](torch.from_numpy(x)).numpy()


def cross_entropy(logits: Array, labels: NDArray[np.int64]) -> float:
    """torch's cross-entropy of logits (classes, n), summed over the images."""
    return float(F.cross_entropy(torch.from_numpy(logits.T), torch.from_numpy(labels), reduction="sum"))


def backward(weights: Sequence[Array], images: Array, labels: NDArray[np.int64], activation: str) -> Backward:
    """All derivatives of the cross-entropy of a dense network."""
    leaves = [_leaf(w) for w in weights]
    inputs, outputs, a = [], [], torch.from_numpy(images)
    for number, w in enumerate(leaves, start=1):
        inputs.append(w @ a)
        if number < len(leaves):
            a = ACTIVATIONS[activation](inputs[-1])
            outputs.append(a)
    loss = F.cross_entropy(inputs[-1].T, torch.from_numpy(labels), reduction="sum")
    found = iter(_gradients(loss, [*inputs, *outputs, *leaves]))
    by_input, by_output, by_weights = (
        tuple(next(found) for _ in group) for group in (inputs, outputs, leaves)
    )  # fmt: skip
    return Backward(by_input, by_output, by_weights)


def chain(weights: Sequence[Array], images: Array, by_last: Array, activation: str) -> Array:
    """∂L/∂x of a dense network with an activation after every layer, given ∂L/∂a of the last one."""
    x = _leaf(images)
    a: Tensor = x
    for w in weights:
        a = ACTIVATIONS[activation](torch.from_numpy(w) @ a)
    return _gradients((a * torch.from_numpy(by_last)).sum(), [x])[0]


def linear_gradient(weights: Sequence[Array], x: Array, by_last: Array) -> tuple[Array, Array]:
    """The output of a plain network without activations, layer by layer, and ∂E/∂x."""
    leaf = _leaf(x)
    output: Tensor = leaf
    for w in weights:
        output = torch.from_numpy(w) @ output
    gradient = _gradients((output * torch.from_numpy(by_last)).sum(), [leaf])[0]
    return output.detach().numpy(), gradient


def residual(x: Array, blocks: Sequence[BlockWeights], by_last: Array, *, activated: bool) -> tuple[list[Array], Array]:
    """The states of a residual network, and ∂E/∂x^l; with a ReLU after each sum if `activated`."""
    states = [_leaf(x)]
    for block in blocks:
        added = states[-1] + _branch(states[-1], block)
        states.append(F.relu(added) if activated else added)
    gradient = _gradients((states[-1] * torch.from_numpy(by_last)).sum(), states[:1])[0]
    return [state.detach().numpy() for state in states], gradient


def branch_jacobian(x: Array, block: BlockWeights) -> Array:
    """∂F/∂x of a residual function, by autograd."""
    jacobian: Tensor = torch.autograd.functional.jacobian(  # type: ignore[no-untyped-call]
        lambda point: _branch(point, block), torch.from_numpy(x)
    )
    return jacobian.numpy()


def adam(start: Array, gradients: Sequence[Array], second_decay: float) -> Iterator[Array]:
    """The parameters after each step of torch.optim.Adam."""
    parameter = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = torch.optim.Adam([parameter], lr=0.001, betas=(0.9, second_decay), eps=1e-8)
    for gradient in gradients:
        parameter.grad = torch.from_numpy(gradient)
        optimizer.step()
        yield parameter.detach().numpy().copy()


def _branch(x: Tensor, block: BlockWeights) -> Tensor:
    return torch.from_numpy(block.outer) @ F.relu(torch.from_numpy(block.inner) @ x)


def _leaf(array: Array) -> Tensor:
    return torch.from_numpy(array.copy()).requires_grad_()


def _gradients(loss: Tensor, sources: Sequence[Tensor]) -> list[Array]:
    return [gradient.numpy() for gradient in torch.autograd.grad(loss, sources)]
