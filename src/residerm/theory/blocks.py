"""Record what passes through the blocks of a residual network: x, F(x), the shortcut, their sum, and their gradients.

    with watched_blocks(network, "ResNet-20") as blocks:
        loss = …network(images)…
    gradients = back_through(blocks, loss)

A block as published is followed by a ReLU, whose mask M is 1 where its output is positive; a block with `preactivation`
is not, and M is 1. With g = ∂E/∂y at the block's output,

    ∂E/∂x = (∂h/∂x)^T M g + (∂F/∂x)^T M g        h: the shortcut, x itself or x in another shape

Both terms are computed separately here. The hooks are always removed when the `with` block ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from residerm.errors import UsageError
from residerm.models.resnet import Block


@dataclass
class Watched:
    """One block, and what passed through it last."""

    name: str
    identity: bool  # whether the shortcut is x itself
    activated: bool  # whether a ReLU follows the sum
    seen: dict[str, Tensor] = field(default_factory=dict)

    @property
    def x(self) -> Tensor:
        """The input."""
        return self.seen["x"]

    @property
    def branch(self) -> Tensor:
        """F(x)."""
        return self.seen["branch"]

    @property
    def shortcut(self) -> Tensor:
        """h(x)."""
        return self.seen["shortcut"]

    @property
    def output(self) -> Tensor:
        """The output."""
        return self.seen["output"]


@dataclass(frozen=True)
class Gradients:
    """The gradients at one block: the contributions of both paths to that of x, and ∂E/∂x by autograd."""

    block: Watched
    by_shortcut: Tensor
    by_branch: Tensor
    by_input: Tensor
    by_output: Tensor


@contextmanager
def watched_blocks(network: nn.Module, called: str) -> Iterator[list[Watched]]:
    """Yield the blocks of a network in order; each records what passes through it."""
    found = {name: module for name, module in network.named_modules() if isinstance(module, Block)}
    with_shortcut = {name: block for name, block in found.items() if block.downsample is not None}
    if not with_shortcut:
        raise UsageError(
            f"{called} has no residual blocks to inspect: give a run of one of residerm's own ResNets with "
            "shortcuts, such as `model=resnet20`"
        )
    watched, handles = [], []
    try:
        for name, block in with_shortcut.items():
            one = Watched(name, isinstance(block.downsample, nn.Identity), not block.preactivation)
            handles += _hooks(block, one)
            watched.append(one)
        yield watched
    finally:
        for handle in handles:
            handle.remove()


def back_through(blocks: Sequence[Watched], loss: Tensor) -> list[Gradients]:
    """Compute the gradients of a loss at each block, without accumulating any in parameters."""
    ends = [block.output for block in blocks]
    by_input = torch.autograd.grad(loss, [block.x for block in blocks], retain_graph=True)
    by_output = torch.autograd.grad(loss, ends, retain_graph=True)
    return [_at(*one) for one in zip(blocks, by_input, by_output, strict=True)]


def stages(blocks: Sequence[Watched]) -> list[list[Watched]]:
    """The longest sequences of blocks with identity shortcuts, inside which (9) to (12) refer to the same x."""
    rows: list[list[Watched]] = [[]]
    for block in blocks:
        if block.identity:
            rows[-1].append(block)
        elif rows[-1]:
            rows.append([])
    return [row for row in rows if row]


def misses(stage: Sequence[Watched]) -> Iterator[tuple[int, float]]:
    """For every l < L in a stage: the number of blocks between, and the relative distance of x^l + Σ F from x^L."""
    states = [block.x for block in stage] + [stage[-1].output]
    for first, start in enumerate(states[:-1]):
        summed = start
        for last, block in enumerate(stage[first:], start=first + 1):
            summed = summed + block.branch
            error = torch.linalg.vector_norm(summed - states[last]) / torch.linalg.vector_norm(states[last])
            yield last - first, error.item()


def relative_sizes(gradients: Sequence[Gradients]) -> Tensor:
    """|shortcut's + branch's gradient| / |shortcut's gradient|, for images whose gradient by the shortcut is not 0."""
    whole = torch.cat([_norms(one.by_shortcut + one.by_branch) for one in gradients])
    direct = torch.cat([_norms(one.by_shortcut) for one in gradients])
    return whole[direct > 0] / direct[direct > 0]  # (blocks and images,)


def _at(block: Watched, by_input: Tensor, by_output: Tensor) -> Gradients:
    masked = by_output * (block.output > 0) if block.activated else by_output
    by_shortcut, by_branch = (
        torch.autograd.grad(way, block.x, masked, retain_graph=True)[0] for way in (block.shortcut, block.branch)
    )
    return Gradients(block, by_shortcut, by_branch, by_input, by_output)


def _hooks(block: Block, watched: Watched) -> list[RemovableHandle]:
    convolution, normalisation = block.layers()[-1]
    last_of_branch = convolution if block.preactivation else normalisation
    assert block.downsample is not None

    def keep(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            watched.seen[name] = output

        return hook

    return [
        block.register_forward_pre_hook(lambda _module, inputs: watched.seen.__setitem__("x", inputs[0])),
        last_of_branch.register_forward_hook(keep("branch")),
        block.downsample.register_forward_hook(keep("shortcut")),
        block.register_forward_hook(keep("output")),
    ]


def _norms(gradient: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return norms
