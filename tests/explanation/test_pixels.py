"""Occlusion and integrated gradients, compared with captum; the blur, and maps at another size, against torch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.attr import IntegratedGradients, Occlusion

from residerm.explanation.evidence import resized
from residerm.explanation.infill import blurred
from residerm.explanation.integrated import baseline_of, integrated_maps
from residerm.explanation.occlusion import occlusion_maps
from residerm.explanation.target import values
from residerm.models import Model, build

SIZE = 32


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(1)
    return build("resnet20", classes=7, size=SIZE).eval()


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)


LABELS = np.array([2, 5])
ONE_HOT = np.eye(7, dtype=np.float32)[LABELS]


def batch(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float()


def logits_of(model: Model, pixels: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        found: np.ndarray = model(batch(pixels)).numpy()
    return found


def test_occlusion_matches_captum(model: Model, pixels: np.ndarray) -> None:
    expected = Occlusion(model).attribute(
        batch(pixels), sliding_window_shapes=(3, 8, 8), strides=(3, 4, 4), baselines=batch(blurred(pixels)),
        target=LABELS.tolist(), perturbations_per_eval=16,
    )  # fmt: skip
    found = occlusion_maps(lambda some: logits_of(model, some), pixels, ONE_HOT)
    assert found.shape == (2, 8, 8)
    np.testing.assert_allclose(found.repeat(4, 1).repeat(4, 2), expected[:, 0].numpy(), atol=1e-4)


def test_integrated_gradients_match_captum(model: Model, pixels: np.ndarray) -> None:
    baseline = baseline_of(model).expand(2, 3, SIZE, SIZE)
    expected = IntegratedGradients(model).attribute(
        batch(pixels), baselines=baseline, target=LABELS.tolist(), n_steps=32, method="gausslegendre"
    )
    found = integrated_maps(model, pixels, ONE_HOT)
    np.testing.assert_allclose(found, expected.sum(1).detach().numpy() * SIZE**2, atol=1e-2)
    with torch.inference_mode():
        before = values(model(baseline).numpy(), ONE_HOT)
    np.testing.assert_allclose(found.mean((1, 2)), values(logits_of(model, pixels), ONE_HOT) - before, atol=0.1)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_uniform_image_has_no_occlusion_evidence(model: Model) -> None:
    plain = np.full((1, SIZE, SIZE, 3), 140, np.uint8)
    found = occlusion_maps(lambda some: logits_of(model, some), plain, ONE_HOT[:1])
    np.testing.assert_allclose(found, 0, atol=1e-4)


def test_blur_is_gaussian_with_mirrored_edges(pixels: np.ndarray) -> None:
    deviation, reach = 0.125 * SIZE, 12
    places = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-0.5 * (places / deviation) ** 2)
    kernel = (kernel / kernel.sum()).float()
    padded = F.pad(batch(pixels), (reach,) * 4, mode="replicate")
    inner = slice(reach, -reach)
    rows = F.conv2d(padded.reshape(6, 1, *padded.shape[2:]), kernel.view(1, 1, -1, 1))
    smooth = F.conv2d(rows, kernel.view(1, 1, 1, -1)).reshape(2, 3, SIZE, SIZE)
    found = batch(blurred(pixels))
    middle = (..., slice(12, 20), slice(12, 20))  # where no edge is in reach
    np.testing.assert_allclose(found[middle], smooth[middle], atol=0.51)
    assert found.shape[2:] == padded[..., inner, inner].shape[2:]
    np.testing.assert_allclose(blurred(np.full((1, 8, 8, 3), 77, np.uint8)), 77)


def test_resized_maps_match_torch() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
    expected = F.interpolate(torch.from_numpy(maps)[:, None], size=(20, 20), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(resized(maps, 20), expected[:, 0], atol=1e-5)
