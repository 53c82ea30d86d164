"""Check equations (8) to (12) inside real networks with hooks: exactly if nothing follows the sum, else with a ReLU.

In a network with `preactivation`, x^L = x^l + Σ F within each stage, and the two terms of the gradient add up. In one
as published, a ReLU follows each sum: (8) holds, and behind the ReLU's mask, the gradients of shortcut and branch add
up to autograd's at each block; (11) does not hold, and its error is measured. Everything is computed in float64.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from residerm.models.resnet import ResNet
from residerm.theory.blocks import Gradients, Watched, back_through, misses, relative_sizes, stages, watched_blocks
from residerm.theory.depths import blocks_per_stage
from residerm.theory.findings import BACKPROPAGATION, EquationCheck, error_between, largest


@dataclass(frozen=True)
class Inside:
    """The results for one network."""

    name: str
    preactivation: bool
    missed: dict[int, list[float]]  # blocks between l and L → the error of (11), for every such pair
    sizes: np.ndarray  # |gradient after the sum| / |direct term|, for every block and image
    findings: tuple[EquationCheck, ...]

    @property
    def quantiles(self) -> dict[str, float]:
        """Quantiles of the sizes."""
        percents = {"smallest": 0, "1 %": 1, "median": 50, "99 %": 99, "largest": 100}
        return {name: float(np.percentile(self.sizes, percent)) for name, percent in percents.items()}


def look_inside(name: str, network: nn.Module, images: Tensor, labels: Tensor) -> Inside:
    """Check (8) to (12) in a forward and backward pass of normalised images through a copy of a network."""
    network = copy.deepcopy(network).double()
    with watched_blocks(network, name) as blocks:
        loss = F.cross_entropy(network(images.double()), labels, reduction="sum")
        gradients = back_through(blocks, loss)
    rows, activated = stages(blocks), blocks[0].activated
    missed: dict[int, list[float]] = {}
    for row in rows:
        for between, error in misses(row):
            missed.setdefault(between, []).append(error)
    findings = [_forward(name, blocks), _backward(name, gradients)]
    findings += [_far(name, missed)] if activated else [_exact(name, missed), _terms(name, rows, loss)]
    return Inside(name, not activated, missed, relative_sizes(gradients).numpy(), tuple(findings))


def fresh_networks(images: Tensor, labels: Tensor, depth: int, seed: int) -> Iterator[Inside]:
    """Check an untrained network as published, and the same with `preactivation`."""
    blocks = (blocks_per_stage(depth),) * 3
    for preactivation, name in ((True, f"pre-activation ResNet-{depth}"), (False, f"published ResNet-{depth}")):
        torch.manual_seed(seed)
        network = ResNet("basic", blocks, classes=7, preactivation=preactivation)
        yield look_inside(name, network, images, labels)


def _forward(name: str, blocks: Sequence[Watched]) -> EquationCheck:
    sums = [block.shortcut + block.branch for block in blocks]
    ours = [added.relu() if block.activated else added for block, added in zip(blocks, sums, strict=True)]
    activated = blocks[0].activated
    return EquationCheck(
        f"{'(8)' if activated else '(9)'} in {name}",
        "paper 4",
        f"{'f(h + F)' if activated else 'h + F'} and the output at each of {len(blocks)} blocks",
        _apart(ours, [block.output for block in blocks]),
    )


def _backward(name: str, gradients: Sequence[Gradients]) -> EquationCheck:
    ours = [one.by_shortcut + one.by_branch for one in gradients]
    behind = " behind the ReLU's mask" if gradients[0].block.activated else ""
    return EquationCheck(
        f"(12) at blocks of {name}",
        "paper 4",
        f"the shortcut's and the branch's gradient{behind} at each of {len(gradients)} blocks: autograd",
        _apart(ours, [one.by_input for one in gradients]),
    )


def _exact(name: str, missed: dict[int, list[float]]) -> EquationCheck:
    pairs = sum(map(len, missed.values()))
    return EquationCheck(
        f"(10), (11) in {name}",
        "paper 4, talk",
        f"x^l + Σ F and x^L for all {pairs} pairs l < L of a stage",
        largest([max(errors) for errors in missed.values()]),
        remark="inside a stage; where the shape changes, the shortcut is not x^l itself",
    )


def _far(name: str, missed: dict[int, list[float]]) -> EquationCheck:
    farthest = max(missed, default=0)
    return EquationCheck(
        f"(11) in {name}",
        "paper 4, talk",
        f"distance of x^l + Σ F from x^L, {farthest} blocks later",
        float(np.mean(missed[farthest])) if missed else float("nan"),
        limit=None,
        remark="it only holds if f is the identity: each ReLU cuts off negative values, which the sum keeps",
    )


def _terms(name: str, rows: Sequence[Sequence[Watched]], loss: Tensor) -> EquationCheck:
    """Compare ∂E/∂x^l with ∂E/∂x^L plus the gradient through Σ F, which excludes the direct path."""
    errors = []
    for row in rows:
        first, last = row[0].x, row[-1].output
        direct = torch.autograd.grad(loss, last, retain_graph=True)[0]
        branches: Tensor = torch.stack([block.branch for block in row]).sum(0)
        through = torch.autograd.grad(branches, first, direct, retain_graph=True)[0]
        whole = torch.autograd.grad(loss, first, retain_graph=True)[0]
        errors.append(_apart([direct + through], [whole]))
    return EquationCheck(
        f"(12) over stages of {name}",
        "paper 4, talk",
        f"direct term and the one through Σ F, {len(rows)} stages: autograd",
        largest(errors),
        BACKPROPAGATION,
    )


def _apart(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    return error_between([one.detach().numpy() for one in ours], [one.detach().numpy() for one in theirs])
