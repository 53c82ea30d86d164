"""Adam from its pseudo-code (figure 1 of the paper, after Kingma and Ba, https://arxiv.org/abs/1412.6980).

This module does not use torch. The paper calls the second decay rate g and sets it to 0.99; it is β2 in the
pseudo-code, for which the authors of Adam, like torch, use 0.999.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from residerm.theory.backprop import Array


def adam(
    start: Array,
    gradients: Iterable[Array],
    *,
    step_size: float = 0.001,
    first_decay: float = 0.9,
    second_decay: float = 0.999,
    epsilon: float = 1e-8,
) -> Iterator[Array]:
    """The parameters θ_1, θ_2, … after each gradient g_1, g_2, …"""
    θ, m, v = start, np.zeros_like(start), np.zeros_like(start)
    α, β1, β2 = step_size, first_decay, second_decay
    for t, g in enumerate(gradients, start=1):
        m = β1 * m + (1 - β1) * g  # biased first moment
        v = β2 * v + (1 - β2) * g**2  # biased second raw moment
        unbiased_m = m / (1 - β1**t)
        unbiased_v = v / (1 - β2**t)
        θ = θ - α * unbiased_m / (np.sqrt(unbiased_v) + epsilon)
        yield θ
