"""Residual networks by hand: (8) to (12) of the paper, with F(x, W) = V relu(U x).

This module does not use torch. A block consists of two matrices (U, V); x is one image, a column of m numbers. The
derivative of F by x is a matrix, its Jacobian J, and the 1 of (12) is the identity matrix I:

    x^(l+1) = x^l + F(x^l, W^l)        ∂E/∂x^l = (I + ∂/∂x^l Σ F(x^i, W^i))^T ∂E/∂x^L
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from residerm.theory.backprop import Array, relu, relu_slope


class BlockWeights(NamedTuple):
    """The weights W of one residual function."""

    inner: Array  # U, (nodes, m)
    outer: Array  # V, (m, nodes)


def branch(x: Array, block: BlockWeights) -> Array:
    """F(x, W) = V relu(U x)."""
    return block.outer @ relu(block.inner @ x)


def branch_jacobian(x: Array, block: BlockWeights) -> Array:
    """∂F/∂x = V diag(relu'(U x)) U."""
    return block.outer @ (relu_slope(block.inner @ x)[:, None] * block.inner)


def forward(x: Array, blocks: Sequence[BlockWeights], after: Callable[[Array], Array] | None = None) -> list[Array]:
    """(8), with f = `after`; (9) and (10), without: x^l, x^(l+1), …, x^L."""
    states = [x]
    for block in blocks:
        summed = states[-1] + branch(states[-1], block)
        states.append(after(summed) if after else summed)
    return states


def sum_of_branches(states: Sequence[Array], blocks: Sequence[BlockWeights]) -> Array:
    """Σ F(x^i, W^i) of (11), where `states` are the x^i of the network."""
    return sum((branch(x, block) for x, block in zip(states, blocks, strict=False)), np.zeros_like(states[0]))


def jacobian_of_sum(states: Sequence[Array], blocks: Sequence[BlockWeights]) -> Array:
    """∂/∂x^l Σ F(x^i, W^i) = Σ J_i ∂x^i/∂x^l, where ∂x^(i+1)/∂x^l = (I + J_i) ∂x^i/∂x^l."""
    reached = np.eye(len(states[0]))
    whole = np.zeros_like(reached)
    for x, block in zip(states, blocks, strict=False):
        change = branch_jacobian(x, block) @ reached
        whole += change
        reached = reached + change
    return whole


def gradient_terms(states: Sequence[Array], blocks: Sequence[BlockWeights], by_last: Array) -> tuple[Array, Array]:
    """(12): the direct term of ∂E/∂x^l, and the one through the weights."""
    return by_last, jacobian_of_sum(states, blocks).T @ by_last
