"""Predictors: three outputs for images in any form and batch; the original model is not changed."""

import copy
import io
from pathlib import Path

import archives
import numpy as np
import pytest
import torch
from PIL import Image
from sample_models import NETWORKS, make_description, make_images, make_model

from residerm.config import ResNetOptions
from residerm.errors import ImageError, UsageError
from residerm.inference import Predictor, load, write_bundle
from residerm.inference.runtimes.torch import TorchRuntime

SMALL = ResNetOptions(width=8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    saved = make_model("resnet18", SMALL)
    return write_bundle(saved, make_description(saved, SMALL), tmp_path_factory.mktemp("model") / "bundle")


@pytest.mark.parametrize(("name", "resnet"), NETWORKS)
def test_outputs_are_those_of_the_model(tmp_path: Path, name: str, resnet: ResNetOptions) -> None:
    saved = make_model(name, resnet)
    predictor = load(write_bundle(saved, make_description(saved, resnet), tmp_path / "bundle"))
    pixels = make_images()
    with torch.inference_mode():
        expected = saved.outputs(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    found = predictor.outputs(pixels, maps=True)
    for one, other in zip((found.logits, found.features, found.maps), expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            np.testing.assert_allclose(one, other.numpy(), atol=1e-4)
    description = predictor.description
    assert (description.features, description.maps) == (
        0 if found.features is None else found.features.shape[1],
        found.maps is not None,
    )
    assert description.linear_classifier == (predictor.classifier is not None)


def test_classifier_of_mean_maps_gives_the_logits(bundle: Path) -> None:
    predictor = load(bundle)
    assert predictor.runtime == "torch"
    assert predictor.classifier is not None
    weight, bias = predictor.classifier
    found = predictor.outputs(make_images(), maps=True)
    assert found.maps is not None
    np.testing.assert_allclose(found.maps.mean((1, 2)) @ weight.T + bias, found.logits, atol=1e-4)


def test_maps_are_optional(bundle: Path) -> None:
    assert load(bundle).outputs(make_images()).maps is None


def test_views_are_averaged_and_maps_rotated_back(bundle: Path) -> None:
    predictor, pixels = load(bundle), make_images()
    turned = np.rot90(pixels, 1, axes=(1, 2))
    one, other = predictor.outputs(pixels, views=8, maps=True), predictor.outputs(turned, views=8, maps=True)
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
    assert one.maps is not None
    assert other.maps is not None
    np.testing.assert_allclose(np.rot90(one.maps, 1, axes=(1, 2)), other.maps, atol=1e-4)


def test_outputs_are_independent_of_batches(bundle: Path) -> None:
    predictor, pixels = load(bundle), make_images(19)
    whole = predictor.outputs(pixels).probabilities
    for size in (1, 3, 17):
        np.testing.assert_allclose(predictor.outputs(pixels, batch_size=size).probabilities, whole, atol=1e-5)
    np.testing.assert_allclose(predictor.outputs(pixels[::-1]).probabilities[::-1], whole, atol=1e-5)
    assert predictor.outputs(pixels[:0]).probabilities.shape == (0, 3)


def test_image_as_path_bytes_or_array(bundle: Path, tmp_path: Path) -> None:
    predictor, stream = load(bundle), io.BytesIO()
    picture = Image.open(io.BytesIO(archives.make_jpeg(1, (60, 40))))
    picture.save(stream, "PNG")
    file = tmp_path / "one.png"
    file.write_bytes(stream.getvalue())
    forms = [file, str(file), stream.getvalue(), picture, np.asarray(picture)]
    found = predictor.predict(forms)
    np.testing.assert_allclose(found, np.repeat(found[:1], len(forms), axis=0), atol=1e-6)
    assert predictor.predict([]).shape == (0, 3)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Path("none.jpg"), "none.jpg: there is no such file"),
        (b"", "the file is empty"),
        (np.zeros((4, 4), np.uint8), r"an array of uint8 and shape \(4, 4\) is not an RGB image"),
        (np.zeros((4, 4, 3), np.float32), "an array of float32"),
    ],
)
def test_invalid_image_is_refused(bundle: Path, image: object, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        load(bundle).predict([image])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "pixels", [np.zeros((1, 32, 32, 3)), np.zeros((1, 16, 16, 3), np.uint8), np.zeros(3, np.uint8)]
)
def test_pixels_of_another_type_are_refused(bundle: Path, pixels: np.ndarray) -> None:
    with pytest.raises(UsageError, match="are not images"):
        load(bundle).outputs(pixels)


def test_original_model_is_not_changed() -> None:
    model = make_model("resnet18", SMALL)
    before = copy.deepcopy(model)
    predictor = Predictor(make_description(model, SMALL), TorchRuntime(model))
    predictor.outputs(make_images())
    assert [type(one) for one in model.modules()] == [type(one) for one in before.modules()]
    for (key, value), other in zip(model.state_dict().items(), before.state_dict().values(), strict=True):
        assert torch.equal(value, other), key
