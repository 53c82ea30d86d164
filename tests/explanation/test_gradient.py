"""Grad-CAM, HiResCAM and LayerCAM compared with captum and torchcam; the network is left unchanged."""

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam, LayerGradientXActivation
from torchcam.methods import GradCAM, LayerCAM

from residerm.errors import UsageError
from residerm.explanation.gradient import COMBINATIONS, gradient_maps
from residerm.explanation.stages import stages
from residerm.models import Model, build

SIZE = 64


@pytest.fixture(scope="module", params=["resnet18", "tf_efficientnet_lite0"])
def model(request: pytest.FixtureRequest) -> Model:
    torch.manual_seed(1)
    return build(request.param, classes=7, size=SIZE).eval()


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)


LABELS = np.array([2, 0, 5])
ONE_HOT = np.eye(7, dtype=np.float32)[LABELS]


def batch(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float()


def close(found: np.ndarray, expected: torch.Tensor) -> None:
    """Equal to 1e-4 of the largest value; ours is larger by the number of positions."""
    want = expected.detach().numpy().reshape(found.shape) * found.shape[1] * found.shape[2]
    np.testing.assert_allclose(found, want, atol=1e-4 * np.abs(want).max())


def in_the_middle(model: Model) -> list[str]:
    return list(stages(model))[-2:]


def test_gradcam_matches_captum(model: Model, pixels: np.ndarray) -> None:
    for stage in in_the_middle(model):
        oracle = LayerGradCam(model, model.network.get_submodule(stage))
        expected = oracle.attribute(batch(pixels), target=LABELS.tolist(), relu_attributions=False)
        close(gradient_maps(model, pixels, ONE_HOT, "gradcam", stage), expected)


def test_hirescam_matches_captum(model: Model, pixels: np.ndarray) -> None:
    for stage in in_the_middle(model):
        oracle = LayerGradientXActivation(model, model.network.get_submodule(stage))
        expected = oracle.attribute(batch(pixels), target=LABELS.tolist()).sum(1)
        close(gradient_maps(model, pixels, ONE_HOT, "hirescam", stage), expected)


def test_positive_evidence_matches_torchcam(model: Model, pixels: np.ndarray) -> None:
    for method, oracle in (("gradcam", GradCAM), ("layercam", LayerCAM)):
        for stage in in_the_middle(model):
            with oracle(model.network, stage, input_shape=(3, SIZE, SIZE)) as extractor:
                scores = model(batch(pixels))
                (expected,) = extractor(LABELS.tolist(), scores, normalized=False)
            close(np.maximum(gradient_maps(model, pixels, ONE_HOT, method, stage), 0), expected)


def test_methods_at_the_last_maps_equal_cam(pixels: np.ndarray) -> None:
    torch.manual_seed(2)
    model = build("resnet18", classes=7, size=SIZE).eval()
    with torch.no_grad():
        maps = model.network.forward_features(model.normalise(batch(pixels)))
    expected = torch.einsum("ndhw,nd->nhw", maps, model.network.fc.weight[LABELS])
    for method in ("gradcam", "hirescam"):
        np.testing.assert_allclose(gradient_maps(model, pixels, ONE_HOT, method), expected.detach(), atol=1e-4)


def test_network_is_unchanged(model: Model, pixels: np.ndarray) -> None:
    before = {key: value.clone() for key, value in model.state_dict().items()}
    wanted = [parameter.requires_grad for parameter in model.parameters()]
    for method in COMBINATIONS:
        gradient_maps(model, pixels, ONE_HOT, method)
    with pytest.raises(RuntimeError):
        gradient_maps(model, pixels[:, :, :, :2], ONE_HOT, "gradcam")
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert [parameter.requires_grad for parameter in model.parameters()] == wanted
    assert torch.is_grad_enabled()
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


def test_inplace_activations_do_not_change_hooked_maps(pixels: np.ndarray) -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
            self.drop = torch.nn.Identity()
            self.fc = torch.nn.Linear(4, 7)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.fc(self.drop(torch.relu_(self.conv(x))).square().mean((2, 3)))
            return logits

    torch.manual_seed(0)
    model = Model(Net(), name="net", classes=7, size=SIZE, classifier=("fc",)).eval()
    maps = model.network.conv(model.normalise(batch(pixels))).detach().requires_grad_()
    logits = model.network.fc(maps.relu().square().mean((2, 3)))
    (gradients,) = torch.autograd.grad((logits * torch.from_numpy(ONE_HOT)).sum(), maps)
    expected = (gradients * maps).sum(1)
    assert list(stages(model)) == ["conv"]
    close(gradient_maps(model, pixels, ONE_HOT, "hirescam", "conv"), expected)


def test_stages_of_a_resnet() -> None:
    model = build("resnet50", classes=7, size=SIZE)
    assert stages(model) == {"bn1": 32, "layer1": 16, "layer2": 8, "layer3": 4, "layer4": 2}


def test_missing_stages_are_refused() -> None:
    model = build("resnet18", classes=7, size=SIZE).eval()
    image = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    with pytest.raises(UsageError, match=r"layer9`: resnet18 has the stages bn1 \(32x32\), layer1 \(16x16\)"):
        gradient_maps(model, image, ONE_HOT[:1], "gradcam", "layer9")
    flat = build("logistic", classes=7, size=SIZE).eval()
    with pytest.raises(UsageError, match="logistic has no feature maps"):
        gradient_maps(flat, image, ONE_HOT[:1], "gradcam")
