"""Class activation maps: their mean plus the bias is the logit, and they need no torch."""

import subprocess
import sys

import numpy as np
import torch

from residerm.explanation.cam import class_maps, constants, evidence_maps
from residerm.explanation.target import for_class, for_difference, values
from residerm.models import build
from residerm.outputs import Outputs


def network_outputs(name: str, size: int) -> tuple[Outputs, tuple[np.ndarray, np.ndarray]]:
    torch.manual_seed(0)
    model = build(name, classes=7, size=size).eval()
    with torch.inference_mode():
        images = model.normalise(torch.randint(0, 256, (3, 3, size, size), dtype=torch.uint8))
        maps = model.network.forward_features(images)
        logits = model.network.forward_head(maps)
    layer = model.network.get_submodule(model.classifier[0])
    weights = (layer.weight.detach().numpy(), layer.bias.detach().numpy())
    return Outputs(logits.numpy(), maps.mean((2, 3)).numpy(), maps.permute(0, 2, 3, 1).numpy()), weights


def test_mean_of_the_map_plus_bias_is_the_logit() -> None:
    for name, size in (("resnet18", 64), ("resnet20", 32), ("tf_efficientnet_lite0", 64)):
        outputs, classifier = network_outputs(name, size)
        sums = class_maps(outputs.maps, classifier).mean((1, 2)) + classifier[1]
        np.testing.assert_allclose(sums, outputs.logits, rtol=1e-5, atol=1e-5)


def test_target_evidence_is_the_sum_of_class_maps() -> None:
    outputs, classifier = network_outputs("resnet18", 64)
    every = class_maps(outputs.maps, classifier)
    for target in (for_class(7, np.array([4, 0, 6])), for_difference(7, 4, 5, images=3)):
        found = evidence_maps(outputs, classifier, target)
        np.testing.assert_allclose(found, (every * target[:, None, None]).sum(-1), atol=1e-4)
        total = found.mean((1, 2)) + constants(classifier, target)
        np.testing.assert_allclose(total, values(outputs.logits, target), rtol=1e-5, atol=1e-5)


def test_evidence_is_invariant_to_a_constant_in_all_logits() -> None:
    outputs, (weight, bias) = network_outputs("resnet18", 64)
    target = for_class(7, np.array([1, 2, 3]))
    moved = (weight + np.random.default_rng(0).normal(size=weight.shape[1]).astype(np.float32), bias + 3)
    np.testing.assert_allclose(
        evidence_maps(outputs, moved, target), evidence_maps(outputs, (weight, bias), target), atol=1e-3
    )


def test_zero_activation_is_no_evidence() -> None:
    empty = Outputs(np.zeros((1, 7), np.float32), np.zeros((1, 5), np.float32), np.zeros((1, 4, 4, 5), np.float32))
    weights = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    found = evidence_maps(empty, (weights, np.ones(7, np.float32)), for_class(7, np.array([2])))
    assert found.shape == (1, 4, 4)
    assert not found.any()


def test_torch_is_not_imported() -> None:
    code = "import sys, residerm.explanation.picture\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
