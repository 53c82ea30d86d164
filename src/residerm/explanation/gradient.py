"""Evidence from the gradient of a target with respect to the feature maps of a stage.

With maps A_k(x, y), the gradient g_k(x, y) of the target with respect to them, and n positions, the evidence is

    gradcam      n * sum_k mean_xy(g_k) A_k(x, y)         Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391
    hirescam     n * sum_k g_k(x, y) A_k(x, y)            Draelos and Carin 2020, https://arxiv.org/abs/2011.08891
    layercam     n * sum_k max(g_k(x, y), 0) A_k(x, y)    Jiang et al. 2021, doi:10.1109/TIP.2021.3089943

without the ReLU and the normalisation of the papers, so that evidence against the class is kept and maps of different
images can be compared; LayerCAM uses only positive gradients. On maps that are followed only by a mean and a linear
layer, Grad-CAM and HiResCAM equal the class activation map.

The network must be the one that was trained: stages have other values if normalisations are folded into convolutions.
Hooks are always removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from residerm.explanation.stages import require_stage
from residerm.models import Model

Combine = Callable[[Tensor, Tensor], Tensor]  # maps and gradients (n, d, h, w) → (n, h, w)

COMBINATIONS: Mapping[str, Combine] = MappingProxyType(
    {
        "gradcam": lambda maps, gradients: (gradients.mean((2, 3), keepdim=True) * maps).sum(1),
        "hirescam": lambda maps, gradients: (gradients * maps).sum(1),
        "layercam": lambda maps, gradients: (gradients.relu() * maps).sum(1),
    }
)


def gradient_maps(
    model: Model, pixels: np.ndarray, target: np.ndarray, method: str, stage: str | None = None
) -> np.ndarray:
    """The evidence (n, h, w) of images (n, s, s, 3) for a target (n, classes), from the maps of a stage."""
    stage = require_stage(model, stage)
    weights = torch.from_numpy(target).to(_device(model))
    with torch.no_grad(), _graph_from(model, stage) as leaves:
        logits = model(as_batch(model, pixels))
        (leaf,) = leaves
        (gradients,) = torch.autograd.grad((logits * weights).sum(), leaf)
        maps = leaf.detach()
        evidence = COMBINATIONS[method](maps, gradients) * maps.shape[2] * maps.shape[3]
    found: np.ndarray = evidence.float().cpu().numpy()
    return found


def as_batch(model: Model, pixels: np.ndarray) -> Tensor:
    """Convert pixels (n, s, s, 3) to a batch (n, 3, s, s) on the device of the network."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).to(_device(model)).permute(0, 3, 1, 2)


@contextmanager
def _graph_from(model: Model, stage: str) -> Iterator[list[Tensor]]:
    """Start autograd's graph at a stage; the layers before it run without a graph, which saves time and memory."""
    leaves: list[Tensor] = []

    def begin(_: object, __: object, output: Tensor) -> Tensor:
        leaves.append(output.detach().clone().requires_grad_())
        torch.set_grad_enabled(True)
        return leaves[-1].clone()  # so that in-place activations do not change the leaf

    handle = model.network.get_submodule(stage).register_forward_hook(begin)
    try:
        yield leaves
    finally:
        handle.remove()


def _device(model: Model) -> torch.device:
    return next(model.parameters()).device
