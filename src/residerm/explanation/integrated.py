"""Integrated gradients (Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365), for any differentiable network.

    evidence(x, y) = n * sum_c (p - p0)(x, y, c) * ∫ d target(p0 + a (p - p0)) / dp(x, y, c) da,  a from 0 to 1

for pixels p and a baseline p0, an image of the mean colour of the model's normalisation. The mean of the map is the
difference of the target between image and baseline (completeness), up to the error of numerical integration.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from residerm.explanation.gradient import as_batch
from residerm.models import Model

STEPS = 32  # of the Gauss-Legendre rule


def integrated_maps(model: Model, pixels: np.ndarray, target: np.ndarray, steps: int = STEPS) -> np.ndarray:
    """The evidence (n, s, s) in each pixel for a target (n, classes)."""
    images = as_batch(model, pixels).float()
    baseline = baseline_of(model).expand_as(images)
    weights = torch.from_numpy(target).to(images.device)
    places, quadrature = np.polynomial.legendre.leggauss(steps)
    total = torch.zeros_like(images)
    for place, weight in zip((places + 1) / 2, quadrature / 2, strict=True):
        total += weight * _gradient(model, baseline + place * (images - baseline), weights)
    evidence = ((images - baseline) * total).sum(1) * images.shape[2] * images.shape[3]
    found: np.ndarray = evidence.cpu().numpy()
    return found


def baseline_of(model: Model) -> Tensor:
    """The colour that the model normalises to zero, (3, 1, 1)."""
    return model.normalise.mean


def _gradient(model: Model, images: Tensor, weights: Tensor) -> Tensor:
    leaf = images.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad((model(leaf) * weights).sum(), leaf)
    return gradient
