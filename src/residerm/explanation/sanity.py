"""Randomised weights: a map that stays the same without what the network has learnt does not show it.

From the top down, module after module has the values of each of its tensors put in random order (Adebayo et al. 2018,
https://arxiv.org/abs/1810.03292); the statistics of normalisations stay. The network that is given is not changed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch

from residerm.models import Model


def randomised(model: Model, seed: int = 0) -> Iterator[tuple[str, Model]]:
    """The name of each module that has weights, from the top down, and the model once it has lost them."""
    lost, generator = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    learnt = [(name, part) for name, part in lost.network.named_children() if any(True for _ in part.parameters())]
    for name, part in reversed(learnt):
        with torch.no_grad():
            for weights in part.parameters():
                order = torch.randperm(weights.numel(), generator=generator)
                weights.copy_(weights.flatten()[order].view_as(weights))
        yield name, copy.deepcopy(lost)
