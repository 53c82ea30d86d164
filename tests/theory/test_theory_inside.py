"""Equations inside residual networks; hooks leave the network unchanged."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from residerm.errors import UsageError
from residerm.models.resnet import ResNet
from residerm.theory.blocks import back_through, misses, relative_sizes, stages, watched_blocks
from residerm.theory.check_inside import look_inside
from residerm.theory.depths import blocks_per_stage


def network(preactivation: bool = False, **options: object) -> ResNet:
    torch.manual_seed(0)
    return ResNet("basic", (2, 2, 1), classes=3, width=4, preactivation=preactivation, **options).double()


def data() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    return torch.randn(5, 3, 16, 16, generator=random).double(), torch.tensor([0, 1, 2, 0, 1])


def hooks(module: nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(one, kind)) for one in module.modules() for kind in kinds)


@pytest.mark.parametrize("shortcut", ["padded", "projection"])
@pytest.mark.parametrize("preactivation", [True, False])
@pytest.mark.parametrize("kind", ["basic", "bottleneck"])
def test_all_equations_hold(kind: str, preactivation: bool, shortcut: str) -> None:
    torch.manual_seed(0)
    of_kind = ResNet(kind, (2, 2, 1), classes=3, width=4, preactivation=preactivation, shortcut=shortcut)
    inside = look_inside("it", of_kind, *data())
    assert all(one.holds for one in inside.findings)
    assert len(inside.findings) == (4 if preactivation else 3)
    farthest = inside.missed[max(inside.missed)]
    assert max(farthest) < 1e-12 if preactivation else min(farthest) > 0.01
    assert len(inside.sizes) == 5 * 5


def test_equation_12_fails_without_the_relu_mask() -> None:
    """The comparison can fail: (12) holds behind a ReLU only because of the mask."""
    images, labels = data()
    with watched_blocks(network(), "it") as blocks:
        pass
    module = network()
    with watched_blocks(module, "it") as blocks:
        loss = F.cross_entropy(module(images), labels)
        right = back_through(blocks, loss)
        for block in blocks:
            block.activated = False
        wrong = back_through(blocks, loss)
    for one in right:
        torch.testing.assert_close(one.by_shortcut + one.by_branch, one.by_input, rtol=1e-12, atol=0)
    apart = [(one.by_shortcut + one.by_branch - one.by_input).norm() / one.by_input.norm() for one in wrong]
    assert max(apart) > 0.1


def test_branches_sum_to_the_difference_of_maps() -> None:
    images, _ = data()
    module = network(preactivation=True)
    with watched_blocks(module, "it") as blocks:
        module(images)
    rows = stages(blocks)
    assert [[block.name for block in row] for row in rows] == [["layer1.0", "layer1.1"], ["layer2.1"]]
    by_hand = blocks[0].x + blocks[0].branch + blocks[1].branch
    torch.testing.assert_close(by_hand, blocks[1].output, rtol=1e-14, atol=0)
    assert [between for between, _ in misses(rows[0])] == [1, 2, 1]


def test_zero_block_passes_the_gradient_unchanged() -> None:
    images, labels = data()
    module = network(preactivation=True, zero_init=True)
    with watched_blocks(module, "it") as blocks:
        sizes = relative_sizes(back_through(blocks, F.cross_entropy(module(images), labels)))
    np.testing.assert_allclose(sizes.numpy(), 1)


@pytest.mark.parametrize("fails", [False, True])
def test_hooks_leave_the_network_unchanged(fails: bool) -> None:
    images, labels = data()
    module = network().eval()
    before, state = module(images), copy.deepcopy(module.state_dict())
    try:
        with watched_blocks(module, "it") as blocks:
            back_through(blocks, F.cross_entropy(module(images), labels))
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    look_inside("it", module.train(), images, labels)
    module.eval()
    assert hooks(module) == 0
    assert all(parameter.grad is None for parameter in module.parameters())
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert torch.equal(module(images), before)


@pytest.mark.parametrize("plain", [network(shortcut="none"), nn.Linear(2, 2)])
def test_network_without_shortcuts_is_refused(plain: nn.Module) -> None:
    with pytest.raises(UsageError, match="vgg19 has no residual blocks"), watched_blocks(plain, "vgg19"):
        pass
    assert hooks(plain) == 0


def test_depths_are_those_of_the_published_networks() -> None:
    assert [blocks_per_stage(depth) for depth in (8, 20, 32, 44, 56, 110, 2000)] == [1, 3, 5, 7, 9, 18, 333]
    with pytest.raises(UsageError, match="at most 2,000 layers"):
        blocks_per_stage(99_999_998)
    with pytest.raises(UsageError, match="20 or 26"):
        blocks_per_stage(21)
    for depth in (-4, 0, 2, 7):
        with pytest.raises(UsageError, match="6n \\+ 2"):
            blocks_per_stage(depth)
