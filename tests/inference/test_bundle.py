"""Bundles: round trip of the network, predictions, and damaged bundles."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sample_models import NETWORKS, make_description, make_images, make_model
from system_limits import memory_grows_less_than

from residerm.config import PixelSpec, ResNetOptions
from residerm.inference import load
from residerm.inference.bundle import BundleError, read_bundle, write_bundle


@pytest.mark.parametrize(("name", "resnet"), NETWORKS)
def test_network_round_trip(tmp_path: Path, name: str, resnet: ResNetOptions) -> None:
    saved = make_model(name, resnet)
    write_bundle(saved, make_description(saved, resnet), tmp_path / "bundle")
    back, description = read_bundle(tmp_path / "bundle")
    heads = {"features", "maps", "linear_classifier"}
    assert description.model_dump(exclude=heads) == make_description(saved, resnet).model_dump(exclude=heads)
    assert not back.training
    for (key, value), (key_back, value_back) in zip(
        saved.network.state_dict().items(), back.network.state_dict().items(), strict=True
    ):
        assert key == key_back
        assert torch.equal(value, value_back)
    assert all(one.requires_grad for one in back.network.parameters())


@pytest.mark.parametrize(("name", "resnet"), NETWORKS)
def test_predictor_matches_the_network(tmp_path: Path, name: str, resnet: ResNetOptions) -> None:
    saved = make_model(name, resnet)
    write_bundle(saved, make_description(saved, resnet), tmp_path / "bundle")
    pixels = make_images()
    with torch.inference_mode():
        expected = saved(torch.from_numpy(pixels).permute(0, 3, 1, 2)).softmax(1).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3  # the images are distinguished
    np.testing.assert_allclose(load(tmp_path / "bundle").outputs(pixels).probabilities, expected, atol=1e-5)


@pytest.mark.parametrize("other", ["resnet34", "resnet20"])
def test_weights_of_another_network_are_refused(tmp_path: Path, other: str) -> None:
    saved = make_model("resnet18", ResNetOptions())
    description = make_description(saved, ResNetOptions()).model_copy(update={"model": other})
    write_bundle(saved, description, tmp_path / "bundle")
    with pytest.raises(BundleError, match=f"the weights do not fit {other}; the bundle is damaged"):
        read_bundle(tmp_path / "bundle")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"model": "vit_gigantic_patch14_224"}, "the weights do not fit vit_gigantic_patch14_224"),
        ({"model": "vit_gigantic_patch14_224", "pixels": PixelSpec(size=50)}, "the weights do not fit vit_gigantic"),
        ({"model": "resnet-bottleneck-250-250-250-250"}, "the weights do not fit resnet-bottleneck"),
        ({"model": "resnet-bottleneck-9999-9999-9999"}, "has 29,997 blocks; the limit is 1,000"),
        ({"resnet": ResNetOptions(width=4096)}, "the weights do not fit resnet18"),
        ({"model": "nothing"}, "does not exist"),
    ],
)
def test_mismatching_network_is_refused_before_allocation(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    saved = make_model("resnet18", ResNetOptions())
    description = make_description(saved, ResNetOptions()).model_copy(update=changes)
    write_bundle(saved, description, tmp_path / "bundle")
    with memory_grows_less_than(200), pytest.raises(BundleError, match=complaint):
        read_bundle(tmp_path / "bundle")


def test_bundle_of_format_1_is_read(bundle: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(bundle, tmp_path / "old"))
    description = json.loads((old / "model.json").read_text())
    for name in ("members", "features", "maps", "linear_classifier", "trust"):  # it did not say these
        description.pop(name, None)
    (old / "model.json").write_text(json.dumps(description | {"format": 1}))
    (old / "seen.npz").unlink()
    found, expected = load(old), load(bundle)
    assert found.description == expected.description
    np.testing.assert_array_equal(found.outputs(make_images()).logits, expected.outputs(make_images()).logits)
