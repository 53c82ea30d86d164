"""Gradients at every layer: compared with autograd, beyond the range of floats, leaving the network unchanged."""

import copy
import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from residerm.config import FlowOptions
from residerm.errors import UsageError
from residerm.models.resnet import ResNet
from residerm.theory import readings
from residerm.theory.flow import Course, RunFlow, at_initialisation, flow_of_fresh, while_training
from residerm.theory.images import LabelledImages, random_images
from residerm.theory.layers import measure
from residerm.theory.plain import KINDS, network


@pytest.fixture(scope="module")
def images() -> LabelledImages:
    return random_images(32, 16, seed=0)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    return torch.randn(6, 3, 8, 8, generator=random), torch.tensor([0, 1, 2, 0, 1, 2])


class Awkward(nn.Module):
    """With dropout, an in-place ReLU, a layer called out of order, and one that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 3)
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.5))
        self.unused = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x).mean((2, 3)))


def test_norms_match_autograd_in_forward_order() -> None:
    images, labels = batch()
    module = network("relu", 8, 3, width=4, start="good", seed=0).double()
    F.cross_entropy(module(images.double()), labels).backward()
    expected = {name: one.weight for name, one in module.named_modules() if isinstance(one, nn.Conv2d | nn.Linear)}
    measured = measure(module, images, labels).layers
    assert [layer.name for layer in measured] == list(expected)
    for layer in measured:
        weight = expected[layer.name]
        assert 10**layer.gradient == pytest.approx(weight.grad.norm().item(), rel=1e-9)
        assert 10**layer.relative == pytest.approx((weight.grad.norm() / weight.norm()).item(), rel=1e-9)


def test_network_is_unchanged() -> None:
    images, labels = batch()
    module = Awkward().train()
    module.last.requires_grad_(False)
    state = copy.deepcopy(module.state_dict())
    measured = measure(module, images, labels)
    assert [layer.name for layer in measured.layers] == ["first.0", "last"]
    assert measured.layers == measure(module, images, labels).layers, "no chance in it"
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert module.training
    assert not module.last.weight.requires_grad
    assert not any(one._forward_hooks or one._backward_hooks for one in module.modules())


def test_hooks_are_removed_after_a_failure() -> None:
    module = Awkward()
    with pytest.raises(RuntimeError):
        measure(module, torch.zeros(2, 5, 8, 8), torch.tensor([0, 1]))
    assert not any(one._forward_hooks for one in module.modules())


def test_gradient_below_the_range_of_floats_is_measured() -> None:
    """For linear layers of one unit, the gradient of the first weight has a closed form."""
    chain = nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(400)), nn.Linear(1, 2, bias=False))
    for layer in chain[:-1]:
        nn.init.constant_(layer.weight, 0.125)
    nn.init.constant_(chain[-1].weight[0], 1.0)
    nn.init.zeros_(chain[-1].weight[1:])
    with torch.no_grad():
        chain[0].weight.fill_(1.0)
    first = measure(chain, torch.ones(1, 1), torch.tensor([1])).layers[0]
    assert first.gradient == pytest.approx(math.log10(0.5) + 399 * math.log10(0.125), abs=1e-9)


def test_layers_without_gradient_are_reported() -> None:
    images, labels = batch()
    module = network("relu", 8, 3, width=4, start="good", seed=0)
    nn.init.zeros_(module.fc.weight)  # so that no gradient gets past it
    measured = measure(module, images, labels)
    assert measured.starved == [f"layers.{place}" for place in range(0, 14, 2)]
    reading = readings.of_run(RunFlow("it", "these", measured))
    assert "not healthy" in reading
    assert "the first 7 of 8 layers (layers.0 to layers.12) receive nothing" in reading


def test_layers_without_output_are_reported() -> None:
    module = network("relu", 8, 3, width=4, start="good", seed=0)
    nn.init.zeros_(module.layers[8].weight)
    reading = readings.of_run(RunFlow("it", "these", measure(module, *batch())))
    assert "all 8 layers receive nothing" in reading
    assert "the output is zero everywhere: layers.8, layers.10" in reading


def test_sigmoid_gradient_vanishes_at_depth_56(images: LabelledImages) -> None:
    for start in ("good", "poor"):
        first = {
            kind: measure(network(kind, 56, 7, width=4, start=start, seed=0), images.pixels / 128 - 1, images.labels)
            .layers[0]
            .gradient
            for kind in ("sigmoid", "residual")
        }
        assert first["residual"] - first["sigmoid"] >= 6


def test_all_kinds_have_the_same_layers_and_parameters() -> None:
    networks = {kind: network(kind, 20, 7, width=4, start="good", seed=0) for kind in KINDS}
    shapes = {
        kind: [tuple(one.weight.shape) for one in module.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
        for kind, module in networks.items()
    }
    assert len(shapes["sigmoid"]) == 20
    assert all(shape == shapes["residual"] for shape in shapes.values())


def test_conclusions_match_the_measurements(images: LabelledImages) -> None:
    courses = at_initialisation(images, (8, 32), width=4)
    assert len(courses) == 2 * len(KINDS) * 2
    conclusions = {
        (kind, start): readings.of_courses([one for one in courses if (one.kind, one.start) == (kind, start)])
        for kind in KINDS
        for start in ("good", "poor")
    }
    assert "vanishes" in conclusions["sigmoid", "good"]
    assert "(layers.0 to layers." in conclusions["sigmoid", "good"]
    assert "keeps its size" in conclusions["residual", "good"]
    assert "fade" in conclusions["relu", "poor"]
    assert "no layer receives anything" in conclusions["relu", "poor"]


def test_activations_below_the_range_of_floats_are_described() -> None:
    module = network("relu", 8, 3, width=4, start="good", seed=0)
    nn.init.zeros_(module.layers[2].weight)
    reading = readings.of_courses([Course("relu", "poor", 8, measure(module, *batch()))])
    assert "the activations fade to zero, and at 8 layers no layer receives anything" in reading


def test_residual_network_learns_and_sigmoid_network_does_not(images: LabelledImages) -> None:
    threads = torch.get_num_threads()
    trainings = {one.kind: one for one in while_training(images, 20, 12, width=4)}
    assert torch.get_num_threads() == threads
    assert list(trainings["residual"].looks) == [0, 1, 2, 5, 10, 12]
    assert trainings["residual"].losses[-1] < trainings["residual"].losses[0]
    assert max(look.layers[0].gradient for look in trainings["sigmoid"].looks.values()) < -6
    assert "12 steps" in readings.of_training(trainings["residual"])


def test_conclusion_about_a_run() -> None:
    images, labels = batch()
    measured = measure(ResNet("basic", (1, 1, 1), classes=3, width=4), images, labels)
    assert "healthy: every layer receives a gradient" in readings.of_run(RunFlow("it", "these", measured))
    learnt = dataclasses.replace(measured, loss=1e-5)
    assert "nearly all is learnt" in readings.of_run(RunFlow("it", "these", learnt))
    first, *others = measured.layers
    faint = dataclasses.replace(first, relative=first.relative - 3.5)
    uneven = readings.of_run(RunFlow("it", "these", dataclasses.replace(measured, layers=(faint, *others))))
    assert "uneven: relative to its weights, " in uneven
    assert "times as much as conv1" in uneven


def test_large_classifier_gradient_is_not_a_concern() -> None:
    images, labels = batch()
    measured = measure(ResNet("basic", (2, 2, 2), classes=3, width=4), images, labels)
    *others, last = measured.layers
    loud = dataclasses.replace(last, relative=last.relative + 5)
    reading = readings.of_run(RunFlow("it", "these", dataclasses.replace(measured, layers=(*others, loud))))
    assert (
        "healthy: every layer receives a gradient; relative to their weights, eight layers of ten are within" in reading
    )


def test_powers_beyond_the_range_of_floats_are_printed() -> None:
    assert readings.power(-412.5) == "3.2e-413"
    assert readings.power(2.0) == "1.0e+02"
    assert readings.power(None) == "none"


def test_unsupported_networks_are_refused() -> None:
    with pytest.raises(UsageError, match="6n \\+ 2"):
        flow_of_fresh(options=FlowOptions(depths=(8, 21)))
    with pytest.raises(UsageError, match="no convolution and no linear layer"):
        measure(nn.Flatten(), *batch())


def test_course_is_json(images: LabelledImages) -> None:
    course = at_initialisation(images, (8,), width=4)[0]
    assert isinstance(course, Course)
    described = course.to_dict()
    assert described["network"] == "plain, sigmoid"
    assert len(described["layers"]) == 8
