"""Residual networks compared with timm, torchvision, the paper's numbers and the equation of a block."""

import math

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from residerm.errors import UsageError
from residerm.models.resnet import PUBLISHED, BasicBlock, Block, Bottleneck, ResNet, ZeroPadded

LARGE, SMALL = (18, 34, 50, 101, 152), (20, 32, 44, 56, 110)
ALL_KINDS = [("basic", (1, 1, 1, 1)), ("bottleneck", (1, 2, 1, 1)), ("basic", (2, 1, 1)), ("bottleneck", (1, 1, 1))]


def images(count: int = 1, size: int = 64) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def randomise_normalisation(network: nn.Module) -> nn.Module:
    """Evaluation mode with random statistics and weights of the normalisation layers."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.2, 0.6)
            nn.init.normal_(module.bias, 0, 0.1)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("depth", LARGE)
def test_weights_of_timm_and_torchvision_give_the_same_outputs(depth):
    of_timm = randomise_normalisation(timm.create_model(f"resnet{depth}", num_classes=7))
    with torch.device("meta"):  # all weights will be timm's
        of_torchvision = torchvision.models.get_model(f"resnet{depth}", num_classes=7).eval()
        ours = ResNet(*PUBLISHED[depth], classes=7).eval()
    of_torchvision.load_state_dict(of_timm.state_dict(), assign=True)
    with torch.inference_mode():
        for theirs in (of_timm, of_torchvision):
            ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
            logits = ours(images())
            torch.testing.assert_close(logits, theirs(images()), rtol=0, atol=1e-5)
    assert 0.01 < logits.std() < 10, "of a size at which 1e-5 means something"
    assert list(ours.state_dict()) == list(of_timm.state_dict())


@pytest.mark.parametrize("kind", ["basic", "bottleneck"])
def test_gradients_and_statistics_match_timm(kind):
    blocks = (1, 2, 1, 1)
    theirs_kind = {"basic": timm.models.resnet.BasicBlock, "bottleneck": timm.models.resnet.Bottleneck}[kind]
    theirs = timm.models.ResNet(theirs_kind, blocks, num_classes=7, zero_init_last=False).train()
    ours = ResNet(kind, blocks, classes=7).train()
    ours.load_state_dict(theirs.state_dict())
    for network in (ours, theirs):
        F.cross_entropy(network(images(4, 32)), torch.tensor([0, 1, 2, 3])).backward()
    for (name, own), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad, rtol=1e-4, atol=1e-5, msg=name)
    assert torch.equal(ours.layer4[0].bn1.running_var, theirs.layer4[0].bn1.running_var)


@pytest.mark.parametrize("depth", [18, 50])
def test_preactivation_matches_timm_resnetv2(depth):
    theirs = randomise_normalisation(timm.create_model(f"resnetv2_{depth}", num_classes=7))
    with torch.device("meta"):
        ours = ResNet(*PUBLISHED[depth], classes=7, preactivation=True).eval()
    renamed = {"stem.conv": "conv1", "head.fc": "fc", ".downsample.conv": ".downsample", ".norm": ".bn", ".blocks": ""}
    renamed |= {f"stages.{stage}": f"layer{stage + 1}" for stage in range(4)}
    weights = {}
    for key, value in theirs.state_dict().items():
        for there, here in renamed.items():
            key = key.replace(there, here)
        weights[key] = value.flatten(1) if key == "fc.weight" else value
    ours.load_state_dict(weights, strict=True, assign=True)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images()), theirs(images()), rtol=1e-5, atol=1e-5)


def residual_function(block: Block, x: torch.Tensor, *, preactivation: bool) -> torch.Tensor:
    """F(x, {W_i}) of a block in evaluation mode, computed from its weights."""
    for number in (1, 2, 3)[: len(block.layers())]:
        convolution, norm = getattr(block, f"conv{number}"), getattr(block, f"bn{number}")
        statistics = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        if preactivation:
            x = F.relu(F.batch_norm(x, *statistics))
        x = F.conv2d(x, convolution.weight, stride=convolution.stride, padding=convolution.kernel_size[0] // 2)
        if not preactivation:
            x = F.batch_norm(x, *statistics)
            x = F.relu(x) if number < len(block.layers()) else x
    return x


@pytest.mark.parametrize("kind", [BasicBlock, Bottleneck])
def test_block_matches_the_equation(kind):
    torch.manual_seed(0)  # blocks whose normalisations happen to be drawn small would test nothing
    x = torch.randn(2, 8 * kind.expansion, 9, 9)
    for preactivation in (False, True):
        residual = randomise_normalisation(kind(8 * kind.expansion, 8, 1, "projection", preactivation))
        plain = randomise_normalisation(kind(8 * kind.expansion, 8, 1, "none", preactivation))
        plain.load_state_dict(residual.state_dict(), strict=True)
        after = nn.Identity() if preactivation else nn.ReLU()
        expected = residual_function(residual, x, preactivation=preactivation)
        assert expected.std() > 0.01
        torch.testing.assert_close(residual(x), after(expected + x), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(plain(x), after(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("depth", PUBLISHED)
def test_depth_counts_layers_with_weights(depth):
    with torch.device("meta"):
        network = ResNet(*PUBLISHED[depth])
    layers = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len([name for name in layers if "downsample" not in name]) == depth


@pytest.mark.parametrize(("depth", "millions"), [*zip(SMALL, (0.27, 0.46, 0.66, 0.85, 1.7), strict=True)])
def test_small_networks_have_the_parameter_counts_of_the_paper(depth, millions):
    with torch.device("meta"):
        count = parameters(ResNet(*PUBLISHED[depth], classes=10))
    assert round(count / 1e6, 1 if depth == 110 else 2) == millions


@pytest.mark.parametrize("depth", SMALL)
def test_plain_counterpart_has_the_same_parameters(depth):
    with torch.device("meta"):
        residual, plain = ResNet(*PUBLISHED[depth], classes=7), ResNet(*PUBLISHED[depth], classes=7, shortcut="none")
    assert parameters(plain) == parameters(residual)
    shapes = [{key: value.shape for key, value in network.state_dict().items()} for network in (residual, plain)]
    assert shapes[0] == shapes[1], "each by name"


def test_plain_counterpart_differs_by_its_shortcuts():
    residual, plain = ResNet(*PUBLISHED[20], classes=7), ResNet(*PUBLISHED[20], classes=7, shortcut="none")
    randomise_normalisation(residual)
    plain.eval().load_state_dict(residual.state_dict())
    with torch.inference_mode():
        assert not torch.allclose(residual(images()), plain(images()), atol=0.01)
    assert any(isinstance(module, ZeroPadded) for module in residual.modules())
    assert not any(isinstance(module, ZeroPadded) for module in plain.modules())


def test_padded_shortcut():
    x = torch.arange(2 * 3 * 5 * 4.0).view(2, 3, 5, 4) + 1
    y = ZeroPadded(2, 2)(x).numpy()
    assert y.shape == (2, 5, 3, 2)
    assert (y[:, :3] == x.numpy()[:, :, ::2, ::2]).all()
    assert (y[:, 3:] == 0).all()


@pytest.mark.parametrize("preactivation", [False, True])
@pytest.mark.parametrize(("kind", "blocks"), ALL_KINDS)
def test_channels_last_is_kept_through_every_block(kind, blocks, preactivation):
    network = randomise_normalisation(ResNet(kind, blocks, classes=7, shortcut="padded", preactivation=preactivation))
    with torch.inference_mode():
        expected = network(images())
        kept: list[bool] = []
        network.to(memory_format=torch.channels_last)
        for module in network.modules():
            if isinstance(module, Block | ZeroPadded):
                module.register_forward_hook(
                    lambda *call: kept.append(call[2].is_contiguous(memory_format=torch.channels_last))
                )
        logits = network(images().to(memory_format=torch.channels_last))
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    assert len(kept) > len(blocks)
    assert all(kept)


@pytest.mark.parametrize("shortcut", ["projection", "padded", "none"])
@pytest.mark.parametrize("preactivation", [False, True])
def test_forward_has_no_data_dependent_control_flow(shortcut, preactivation):
    network = randomise_normalisation(
        ResNet("basic", (1, 1, 1), classes=7, shortcut=shortcut, preactivation=preactivation)
    )
    program = torch.export.export(network, (images(),)).module()
    assert torch.equal(program(images()), network(images()))


def test_bfloat16_is_close_to_float32():
    network = randomise_normalisation(ResNet("basic", (1, 1, 1, 1), classes=7)).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected = network(images())
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(images())
    assert logits.dtype == torch.bfloat16
    assert (logits.float() - expected).abs().max() < 0.1 * expected.abs().max()


@pytest.mark.parametrize(("stem", "side"), [("large", 2), ("medium", 4), ("small", 8)])
def test_size_of_the_last_maps_at_64_pixels(stem, side):
    with torch.device("meta"):
        network = ResNet(*PUBLISHED[18], classes=7, stem=stem)
        assert network.forward_features(torch.empty(2, 3, 64, 64)).shape == (2, 512, side, side)


def test_stem_without_pooling_loads_the_same_weights():
    with torch.device("meta"):
        pooled, unpooled = ResNet(*PUBLISHED[18]), ResNet(*PUBLISHED[18], stem="medium")
    assert not any(unpooled.load_state_dict(pooled.state_dict(), strict=True, assign=True))


def test_width_of_the_first_stage():
    network = ResNet("bottleneck", (1, 1, 1, 1), classes=7, width=8).eval()
    widths = [stage[0].conv2.out_channels for stage in (network.layer1, network.layer2, network.layer3, network.layer4)]
    assert widths == [8, 16, 32, 64]
    assert network(images()).shape == (1, 7)


@pytest.mark.parametrize("preactivation", [False, True])
@pytest.mark.parametrize("kind", ["basic", "bottleneck"])
def test_zero_init_starts_as_identity_and_learns(kind, preactivation):
    network = ResNet(kind, (2, 2, 2), classes=7, preactivation=preactivation, zero_init=True).train()
    block = network.layer1[1]
    x = torch.randn(2, block.conv1.in_channels, 8, 8).relu()
    assert torch.equal(block(x), x), "of a ReLU's output, ReLU changes nothing"
    network(images(4, 32)).square().sum().backward()
    last = block.layers()[-1][0 if preactivation else 1].weight
    assert last.grad.abs().max() > 0
    assert not last.any()


def test_he_initialisation():
    network = ResNet("basic", (1, 1, 1, 1), classes=7)
    weight = network.layer4[0].conv1.weight  # 256 channels in, 512 out
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 512)), rel=0.01)
    assert abs(weight.mean().item()) < 1e-4
    assert network.layer4[0].bn2.weight.eq(1).all(), "published blocks do not begin as zero"


@pytest.mark.parametrize("blocks", [(2, 2), (1, 1, 1, 1, 1), (1, 0, 1), ()])
def test_invalid_stages_are_refused(blocks):
    with pytest.raises(UsageError, match=r"three or four stages of at least one block, not \("):
        ResNet("basic", blocks)


def test_zero_init_without_shortcuts_is_refused():
    with pytest.raises(UsageError, match="zero_init requires shortcuts"):
        ResNet("basic", (1, 1, 1), shortcut="none", zero_init=True)
