"""Randomise weights: a map that does not change then does not show what the network has learnt.

From the top down, the values of each weight tensor are permuted at random, module by module (Adebayo et al. 2018,
https://arxiv.org/abs/1810.03292); the statistics of normalisations are kept. The given network is not changed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch

from residerm.models import Model


def randomised(model: Model, seed: int = 0) -> Iterator[tuple[str, Model]]:
    """Yield each module's name, from the top down, and the model with it and all modules above randomised."""
    lost, generator = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    learnt = [(name, part) for name, part in lost.network.named_children() if any(True for _ in part.parameters())]
    for name, part in reversed(learnt):
        with torch.no_grad():
            for weights in part.parameters():
                order = torch.randperm(weights.numel(), generator=generator)
                weights.copy_(weights.flatten()[order].view_as(weights))
        yield name, copy.deepcopy(lost)
