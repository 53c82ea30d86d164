"""Bundles: round trip of the network, predictions, and damaged bundles."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sample_outputs
import sample_runs
import torch
from sample_models import NETWORKS, make_description, make_images, make_model
from system_limits import memory_grows_less_than

from residerm.config import PixelSpec, ResNetOptions
from residerm.errors import ResidermError
from residerm.inference import load
from residerm.inference.bundle import (
    BundleError,
    read_bundle,
    read_description,
    read_seen,
    read_trust,
    write_bundle,
    write_ensemble,
)
from residerm.inference.observations import Observations
from residerm.inference.seen import Seen


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


@pytest.mark.parametrize("changes", [{"features": 10**12}, {"maps": False}, {"linear_classifier": False}])
def test_outputs_that_the_weights_do_not_have_are_refused(
    bundle: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    (name,) = changes
    other = Path(shutil.copytree(bundle, tmp_path / "other"))
    sample_runs.update_json(other / "model.json", **changes)
    with pytest.raises(BundleError, match=rf"model\.json: {name} is {changes[name]}, but \w+ for these weights"):
        read_bundle(other)


def test_outputs_that_an_ensemble_does_not_have_are_refused(bundle: Path, tmp_path: Path) -> None:
    together = write_ensemble([bundle, bundle], tmp_path / "together")
    sample_runs.update_json(together / "model.json", features=10**12)
    with pytest.raises(
        BundleError, match=r"together/model\.json: features is 1000000000000, but \d+ for these weights"
    ):
        load(together)


def newer_trust(folder: Path) -> None:
    trust = sample_outputs.make_trust().save(folder / "trust.npz")
    with np.load(trust) as opened:
        arrays = dict(opened)
    summary = json.loads(str(arrays["summary"])) | {"format": 2}
    np.savez(trust, **arrays | {"summary": np.array(json.dumps(summary))})  # type: ignore[arg-type]


def newer_hashes(folder: Path) -> None:
    with np.load(folder / "seen.npz") as opened:
        arrays = dict(opened)
    np.savez(folder / "seen.npz", **arrays | {"format": np.array(2)})  # type: ignore[arg-type]


def newer_observations(folder: Path) -> None:
    Observations(where="one", ranges=[]).write(folder / "observed.json")
    sample_runs.update_json(folder / "observed.json", format=2)


def newer_description(folder: Path) -> None:
    sample_runs.update_json(folder / "model.json", format=3)


@pytest.mark.parametrize(
    ("name", "change", "read"),
    [
        ("model.json", newer_description, read_description),
        ("trust.npz", newer_trust, read_trust),
        ("seen.npz", newer_hashes, read_seen),
        ("observed.json", newer_observations, lambda folder: Observations.read(folder / "observed.json")),
    ],
)
def test_file_of_a_newer_version_is_named(
    bundle: Path, tmp_path: Path, name: str, change: Callable[[Path], None], read: Callable[[Path], object]
) -> None:
    newer = Path(shutil.copytree(bundle, tmp_path / "newer"))
    change(newer)
    message = rf"^{newer / name} has format \d, from a newer version of residerm: update residerm$"
    with pytest.raises(ResidermError, match=message):
        read(newer)


def test_hashes_of_seen_images_without_a_format_are_read(bundle: Path, tmp_path: Path) -> None:
    with np.load(bundle / "seen.npz") as opened:
        arrays = {name: values for name, values in opened.items() if name != "format"}
    np.savez(tmp_path / "seen.npz", **arrays)
    assert Seen.read(tmp_path / "seen.npz").knows(["one", "three"], ["a", "b"]).tolist() == [True, False]
