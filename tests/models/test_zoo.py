"""Models by name: ours and timm's, normalisation, cost, and invalid names and sizes."""

import copy
import re
import subprocess
import sys

import pytest
import timm
import torch
import torchvision
from torch import nn

from residerm.config import ResNetOptions
from residerm.errors import UsageError
from residerm.models.complexity import measure
from residerm.models.model import IMAGENET_DEVIATION, IMAGENET_MEAN, Model
from residerm.models.networks import OWN
from residerm.models.resnet import ResNet
from residerm.models.zoo import build, find_models

SOURCE_DOCUMENTS = {  # every network that they name, and its classifier
    "resnet50": ("fc",),
    "cnn": ("dense3",),
    "logistic": ("linear",),
    "vgg19": ("head.fc",),
    "vgg19_bn": ("head.fc",),
    "resnext50_32x4d": ("fc",),
    "densenet121": ("classifier",),
    "efficientnet_b0": ("classifier",),
    "convnext_tiny": ("head.fc",),
}


def without_memory(name: str, size: int = 64, **options) -> Model:
    """A model without memory for weights: fast at any size."""
    timm.is_model(name)  # imported before the device is set
    with torch.device("meta"):
        return build(name, 7, size, **options)


@pytest.mark.parametrize(("name", "classifier"), SOURCE_DOCUMENTS.items())
def test_every_documented_network_is_built_by_name(name, classifier):
    model = without_memory(name)
    assert model.classifier == classifier
    assert model(torch.empty(2, 3, 64, 64, dtype=torch.uint8, device="meta")).shape == (2, 7)
    last = [model.network.get_submodule(part) for part in classifier]
    assert [layer.out_features for layer in last] == [7]


def test_distilled_network_has_two_classifiers():
    assert without_memory("deit_tiny_distilled_patch16_224").classifier == ("head", "head_dist")


def test_own_names_take_precedence_over_timm():
    assert isinstance(without_memory("resnet50").network, ResNet)
    assert isinstance(without_memory("resnet50.tv_in1k").network, ResNet)
    assert type(without_memory("resnet26").network) is timm.models.ResNet


@pytest.mark.parametrize(
    ("name", "depth", "width"),
    [("resnet-basic-3-4-6-3", 34, 64), ("resnet-bottleneck-3-4-6-3", 50, 64), ("resnet-basic-9-9-9", 56, 16)],
)
def test_stages_define_any_depth(name, depth, width):
    network = without_memory(name).network
    published = without_memory(f"resnet{depth}").network
    assert {key: value.shape for key, value in network.state_dict().items()} == {
        key: value.shape for key, value in published.state_dict().items()
    }
    assert network.conv1.out_channels == width


def test_resnet_options_are_applied():
    options = ResNetOptions(stem="small", width=8, shortcut="padded", preactivation=True, zero_init=True)
    network = build("resnet-basic-1-1-1-1", 7, 32, resnet=options).network
    assert network.conv1.kernel_size == (3, 3)
    assert network.conv1.out_channels == 8
    assert network.preactivation
    assert not network.layer1[0].conv2.weight.any()
    assert not any("downsample" in key for key in network.state_dict())


def test_model_takes_pixels_of_0_to_255():
    model = build("resnet20", 7, 32).eval()
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    with torch.inference_mode():
        expected = model.network((images / 255 - mean) / deviation)
        torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(model(images.float()), expected, rtol=1e-4, atol=1e-5)
        model.set_colours((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
        torch.testing.assert_close(model(images), model.network(images / 63.75 - 2), rtol=1e-4, atol=1e-5)
    assert model.normalise.colours == ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_normalisation_keeps_channels_last_and_has_no_state(dtype):
    model = build("cnn", 7, 32)
    images = torch.zeros(2, 3, 32, 32, dtype=dtype).to(memory_format=torch.channels_last)
    seen = model.normalise(images)
    assert seen.dtype == torch.float32
    assert seen.is_contiguous(memory_format=torch.channels_last)
    assert all(key.startswith("network.") for key in model.state_dict())
    assert not model.normalise.state_dict()


def test_weights_depend_only_on_the_seed():
    weights = []
    for size in (32, 64, 32):
        torch.manual_seed(3)
        weights.append(build("resnet20", 7, size).network.state_dict())
    for key, value in weights[0].items():
        assert torch.equal(value, weights[1][key]), key
        assert torch.equal(value, weights[2][key]), key


def test_copies_are_independent():
    model = build("resnet20", 7, 32)
    copied = copy.deepcopy(model)
    nn.init.zeros_(copied.network.fc.weight)
    assert model.network.fc.weight.any()
    assert (copied.name, copied.classes, copied.size, copied.classifier) == ("resnet20", 7, 32, ("fc",))


@pytest.mark.parametrize(
    "name",
    [
        *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
        *("vgg19", "vgg19_bn", "resnext50_32x4d", "densenet121", "efficientnet_b0", "convnext_tiny"),
    ],
)
def test_cost_matches_torchvision(name):
    published = torchvision.models.get_model_weights(name).IMAGENET1K_V1.meta
    cost = measure(name, 1000, 224)
    assert cost.parameters == published["num_params"]
    assert round(cost.multiply_adds / 1e9, 3) == published["_ops"]


def test_cost_matches_arithmetic():
    convolutions = 32**2 * 10 * 3 * 9 + 16**2 * 10 * 10 * 25 + 6**2 * 10 * 10 * 49
    cnn = measure("cnn", 7, 32)
    assert cnn.multiply_adds == convolutions + 40 * 120 + 120 * 64 + 64 * 7
    assert cnn.parameters == 280 + 2_510 + 4_910 + 41 * 120 + 121 * 64 + 65 * 7
    logistic = measure("logistic", 7, 32)
    assert (logistic.parameters, logistic.multiply_adds) == (3_072 * (2 + 7) + 7, 3_072 * 7)


def test_cost_allocates_no_weights():
    cost = measure("resnet-basic-9-9-9", 7, 64, ResNetOptions(width=4096))
    assert cost.parameters * 4 > 2**37, "more than 137 GB"


def test_building_does_not_import_the_compiler():
    code = """
import sys
from residerm.models.zoo import build_for
from residerm.models.networks import network
build_for(network("cnn", 7, 32).state_dict(), "cnn", 7, 32)
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0, "two seconds of every prediction"


def test_find_searches_own_and_timm_models():
    found = find_models("resnet50")
    assert found[0] == "resnet50"
    assert found.count("resnet50") == 1
    assert "resnet50d" in found
    assert find_models("resnet-basic-4-4-4") == ["resnet-basic-4-4-4"]
    assert find_models("RESNET1*") == ["resnet18", "resnet101", "resnet152", "resnet110"] + [
        name for name in timm.list_models("resnet1*") if name not in OWN
    ]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: build("resnet49", 7, 64), r"`model=resnet49` does not exist. Did you mean resnet\d\d or"),
        (lambda: build("efficientnetb0", 7, 64), "Did you mean efficientnet_b0"),
        (lambda: build("hf-hub:timm/x", 7, 64), "does not exist"),
        (lambda: build("resnet-basic-1-0-2", 7, 64), "does not exist"),
        (lambda: build("vgg19.foo", 7, 64), "vgg19 has no weights named 'foo'; it has tv_in1k"),
        (lambda: build("resnet50.foo", 7, 64), "resnet50 has no weights named 'foo'; it has a1_in1k, "),
        (lambda: build("resnet20.foo", 7, 64), "there are no weights for resnet20"),
        (lambda: build("vgg19", 7, 16), "vgg19 does not support images of 16 px: give `size=32`, the next size"),
        (lambda: build("inception_v3", 7, 74), "does not support images of 74 px: give `size=75`, the next size"),
        (lambda: build("samvit_base_patch16_224", 7, 60), "give `size=64`"),
        (lambda: build("vgg19", 0, 64), "at least one class and one pixel, not 0 classes"),
        (lambda: build("cnn", 7, 0), "7 classes and 0 pixels"),
        (
            lambda: build("vgg19", 7, 64, resnet=ResNetOptions(zero_init=True, stem="small")),
            "`stem`, `zero_init`: only",
        ),
        (lambda: build("cnn", 7, 64, resnet=ResNetOptions(width=8)), "`width`: only residerm's own ResNets have this"),
        (lambda: find_models("resnat5"), "no model matches 'resnat5': .* Did you mean resnet5"),
    ],
)
def test_invalid_models_are_refused(call, message):
    with pytest.raises(UsageError, match=message) as caught:
        call()
    assert caught.value.exit_code == 2
    assert not re.search(r"\n", str(caught.value))
