"""Features and maps of a network, detected numerically."""

import pytest
import torch
from torch import nn

from residerm.models import build

# name, features, whether they are the mean of maps, whether one linear layer makes the logits of that mean
HEADS = [
    ("resnet18", 512, True, True),
    ("resnet20", 64, True, True),
    ("densenet121", 1024, True, True),
    ("efficientnet_b0", 1280, True, True),
    ("tf_efficientnet_lite0", 1280, True, True),
    pytest.param("swin_tiny_patch4_window7_224", 768, True, True, marks=pytest.mark.slow),  # maps with channels last
    ("mobilenetv3_small_050", 1024, False, False),
    pytest.param("vgg11", 4096, False, False, marks=pytest.mark.slow),
    ("cnn", 64, False, False),
    ("logistic", 0, False, False),
]


@pytest.mark.parametrize(("name", "features", "maps", "linear"), HEADS)
def test_logits_are_those_of_the_network(name: str, features: int, maps: bool, linear: bool) -> None:
    torch.manual_seed(0)
    model = build(name, 3, 32).eval() if "swin" not in name else build(name, 3, 224).eval()
    images = torch.randint(0, 256, (2, 3, model.size, model.size), dtype=torch.uint8)
    with torch.no_grad():
        logits, seen, found = model.outputs(images)
        torch.testing.assert_close(logits, model(images))
    assert (seen is not None) == (features > 0)
    assert (found is not None) == maps
    if seen is not None:
        assert seen.shape == (2, features)
    if found is not None and seen is not None:
        assert found.shape[3] == features
        torch.testing.assert_close(found.mean((1, 2)), seen, rtol=1e-4, atol=1e-5)
    layer = model.head.linear(model.network)
    assert (layer is not None) == linear
    if layer is not None and seen is not None:
        torch.testing.assert_close(nn.functional.linear(seen, layer.weight, layer.bias).detach(), logits)


def test_detection_keeps_training_mode() -> None:
    model = build("resnet20", 3, 32).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert model.head.maps
    assert model.training
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
