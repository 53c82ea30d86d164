"""Back-propagation by hand, as in (1) to (7) of the paper, and the plain product of (13) to (15).

This module does not use torch. Each function is an equation. Columns are images, as in the paper: with m^l nodes in
layer l and n images, x^l and a^l are (m^l, n), and the weights w^l between layers l - 1 and l are (m^l, m^(l-1)):

    x^l = w^l a^(l-1)        a^l = f(x^l)        a^0: the images        predictions: softmax(x^L)

Corrections of the paper: the cross-entropy has a minus sign; (3) sums over the m^(l+1) nodes of the next layer; (4) and
(5) use the next layer's weights w^(l+1); the products in (14) and (15) are ordered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Activation:
    """An elementwise function and its derivative."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]


@dataclass(frozen=True)
class Forward:
    """The result of a forward pass: x^1 … x^L, and a^0 … a^(L-1) followed by the predictions."""

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]


@dataclass(frozen=True)
class Backward:
    """The derivatives of the cross-entropy by the inputs and outputs of the activations, and by the weights."""

    by_input: tuple[Array, ...]  # δ^1 … δ^L
    by_output: tuple[Array, ...]  # of a^1 … a^(L-1)
    by_weights: tuple[Array, ...]


def forward(weights: Sequence[Array], images: Array, activation: Activation | None = None) -> Forward:
    """x^l = w^l a^(l-1), a^l = f(x^l), with a softmax after the last layer."""
    f = activation or RELU
    inputs: list[Array] = []
    outputs = [images]
    for number, w in enumerate(weights, start=1):
        inputs.append(w @ outputs[-1])
        outputs.append(softmax(inputs[-1]) if number == len(weights) else f.value(inputs[-1]))
    return Forward(tuple(inputs), tuple(outputs))


def backward(weights: Sequence[Array], passed: Forward, truth: Array, activation: Activation | None = None) -> Backward:
    """(1) to (7), from the last layer to the first."""
    f = activation or RELU
    deltas = [last_delta(passed.outputs[-1], truth)]
    by_output: list[Array] = []
    for w, x in zip(reversed(weights[1:]), reversed(passed.inputs[:-1]), strict=True):
        by_output.append(by_output_of(w, deltas[-1]))
        deltas.append(delta_of(by_output[-1], f.slope(x)))
    deltas.reverse()
    by_output.reverse()
    by_weights = [by_weights_of(delta, a) for delta, a in zip(deltas, passed.outputs[:-1], strict=True)]
    return Backward(tuple(deltas), tuple(by_output), tuple(by_weights))


def cross_entropy(truth: Array, predictions: Array) -> float:
    """CE = -Σ_i y_i log(p_i), summed over the images (paper, 2.2, which lacks the minus sign)."""
    return float(-(truth * np.log(predictions)).sum())


def last_delta(predictions: Array, truth: Array) -> Array:
    """δ^L = p - y: softmax and cross-entropy together; the softmax mixes the nodes, so (1) is not sufficient."""
    return predictions - truth


def by_output_of(next_weights: Array, next_delta: Array) -> Array:
    """(3), (4): ∂CE/∂a_j^l = Σ_k δ_k^(l+1) w_kj^(l+1), over the m^(l+1) nodes of the next layer."""
    return next_weights.T @ next_delta


def delta_of(by_output: Array, slope: Array) -> Array:
    """(1), (2): δ_j^l = ∂CE/∂a_j^l · f'(x_j^l); with (4) it is (5)."""
    return by_output * slope


def by_weights_of(delta: Array, previous_output: Array) -> Array:
    """(6), (7): ∂CE/∂w_jk^l = δ_j^l a_k^(l-1); summed over the images, δ^l (a^(l-1))^T."""
    return delta @ previous_output.T


def chain(weights: Sequence[Array], images: Array, by_last: Array, activation: Activation) -> Array:
    """∂L/∂x of the talk: ∂L/∂a^3 · f'(z^3) · w^3 · f'(z^2) · w^2 · f'(z^1) · w^1, for any number of layers."""
    slopes, a = [], images
    for w in weights:
        slopes.append(activation.slope(w @ a))
        a = activation.value(w @ a)
    gradient = by_last
    for w, slope in zip(reversed(weights), reversed(slopes), strict=True):
        gradient = w.T @ (gradient * slope)
    return gradient


def product(weights: Sequence[Array]) -> Array:
    """W^(L-1) … W^(l+1) W^l: in (14), the last weights are leftmost."""
    return reduce(lambda whole, w: w @ whole, weights)


def plain_forward(weights: Sequence[Array], x: Array) -> Array:
    """(13), (14): x^L = (Π W^i) x^l, a plain network without activations."""
    return product(weights) @ x


def plain_gradient(weights: Sequence[Array], gradient: Array) -> Array:
    """(15): ∂E/∂x^l = (Π W^i)^T ∂E/∂x^L, for gradients as columns."""
    return product(weights).T @ gradient


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return np.maximum(x, 0)


def relu_slope(x: Array) -> Array:
    """1 where x > 0, else 0; also 0 at x = 0, like autograd; the paper gives no value there."""
    return (x > 0).astype(x.dtype)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x) without overflow: e^-|x| never exceeds 1."""
    small = np.exp(-np.abs(x))
    probabilities: Array = np.where(x >= 0, 1, small) / (1 + small)
    return probabilities


def sigmoid_slope(x: Array) -> Array:
    """f'(x) = f(x) f(-x) = f(x) (1 - f(x)), at most 1/4."""
    return sigmoid(x) * sigmoid(-x)


def softmax(x: Array) -> Array:
    """Probabilities (classes, n)."""
    powers = np.exp(x - x.max(axis=0))
    probabilities: Array = powers / powers.sum(axis=0)
    return probabilities


RELU = Activation(relu, relu_slope)
SIGMOID = Activation(sigmoid, sigmoid_slope)
