"""Exported bundles match the network in torch in every runtime, with any batch and number of threads."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sample_models import make_description, make_images, make_model, make_sample

from residerm.config import ResNetOptions
from residerm.errors import ResidermError, UsageError
from residerm.inference import load, read_description, write_bundle
from residerm.inference.bundle import join_members, read_seen, write_ensemble
from residerm.inference.export import ParityError, export_bundle
from residerm.inference.loading import open_graph
from residerm.inference.measuring import measure_parity
from residerm.inference.predictor import Predictor

NAMES = {
    "classifier.npz", "LICENCE.txt", "MODEL_CARD.md", "model.json", "model.onnx", "parity.json", "seen.npz",
}  # fmt: skip


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_outputs_match_torch(bundle: Path, exported: Path, runtime: str) -> None:
    expected, predictor = load(bundle).outputs(make_images(), maps=True), load(exported, runtime=runtime)  # type: ignore[arg-type]
    assert (predictor.runtime, predictor.precision) == (runtime, "float32")
    found = predictor.outputs(make_images(), maps=True)
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-4)
    np.testing.assert_allclose(found.features, expected.features, atol=1e-4)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-4)  # type: ignore[arg-type]
    assert predictor.outputs(make_images()).maps is None
    weight, bias = predictor.classifier  # type: ignore[misc]
    np.testing.assert_allclose(found.features @ weight.T + bias, found.logits, atol=1e-4)


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_outputs_are_independent_of_batch_order_and_threads(exported: Path, runtime: str) -> None:
    pixels = make_images(19)
    whole = load(exported, runtime=runtime, threads=1).outputs(pixels).probabilities  # type: ignore[arg-type]
    predictor = load(exported, runtime=runtime, threads=2)  # type: ignore[arg-type]
    for size in (1, 3, 17):
        np.testing.assert_allclose(predictor.outputs(pixels, batch_size=size).probabilities, whole, atol=1e-5)
    np.testing.assert_allclose(predictor.outputs(pixels[::-1]).probabilities[::-1], whole, atol=1e-5)


def test_views_match_torch(bundle: Path, exported: Path) -> None:
    expected, found = (load(path).outputs(make_images(), views=8, maps=True) for path in (bundle, exported))
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-4)  # type: ignore[arg-type]


def test_exported_folder_is_complete(bundle: Path, exported: Path) -> None:
    assert {path.name for path in exported.iterdir()} == NAMES
    assert read_description(exported) == load(bundle).description
    record = json.loads((exported / "parity.json").read_text())
    assert record["images"] == 34
    assert record["batches"] == [1, 3, 17]
    assert {one["runtime"] for one in record["measured"]} == {"onnx", "openvino"}
    assert all(one["logits"] <= 1e-3 and one["other_class"] == 0 for one in record["measured"])
    assert "Not a medical device" in (exported / "MODEL_CARD.md").read_text()
    assert "CC0-1.0" in (exported / "LICENCE.txt").read_text()


def test_identity_of_seen_images_is_copied(exported: Path) -> None:
    seen = read_seen(exported)
    assert seen is not None
    assert seen.knows(["one", "three"], ["a", "b"]).tolist() == [True, False]
    assert b"one" not in (exported / "seen.npz").read_bytes()


def test_auto_chooses_the_fastest_installed_runtime(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = json.loads((exported / "parity.json").read_text())
    fastest = min(record["measured"], key=lambda one: one["milliseconds"])["runtime"]
    assert load(exported).runtime == fastest
    other = {"onnx": "openvino", "openvino": "onnx"}[fastest]
    monkeypatch.setattr("residerm.inference.loading.is_installed", lambda name: name == other)
    assert load(exported).runtime == other


def test_ensemble_averages_its_members(tmp_path: Path, bundle: Path) -> None:
    other = make_model("resnet-basic-1-1-1", ResNetOptions(width=4))
    second = write_bundle(other, make_description(other, ResNetOptions(width=4)), tmp_path / "second")
    together = write_ensemble([bundle, second], tmp_path / "together")
    members = [load(path).outputs(make_images(), maps=True) for path in (bundle, second)]
    folder = tmp_path / "onnx"
    export_bundle(
        [bundle, second], folder, to="onnx", precision="float32", sample=make_sample(), calibration=make_sample()
    )
    for path in (together, folder):
        predictor = load(path)
        assert predictor.description.members == 2
        assert predictor.classifier is None
        found = predictor.outputs(make_images(), maps=True)
        mean = (members[0].probabilities + members[1].probabilities) / 2
        np.testing.assert_allclose(found.probabilities, mean, atol=1e-5)
        for name in ("features", "maps"):
            expected = np.concatenate([getattr(one, name) for one in members], axis=-1)
            np.testing.assert_allclose(getattr(found, name), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("changed", "differ"),
    [
        ({"classes": ("a", "b", "d")}, r"classes differ \(.*; a, b, d\)"),
        ({"pixels": {"size": 16}}, r"pixels differ \(size \d+; size 16\)"),
        ({"task": "melanoma"}, r"task differ \(.*; melanoma\)"),
    ],
)
def test_incompatible_models_are_not_averaged(
    tmp_path: Path, bundle: Path, changed: dict[str, object], differ: str
) -> None:
    description = json.loads((bundle / "model.json").read_text()) | {"trust": None} | changed
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "model.safetensors").write_bytes((bundle / "model.safetensors").read_bytes())
    (tmp_path / "other" / "model.json").write_text(json.dumps(description))
    with pytest.raises(UsageError, match=f"cannot be averaged: their {differ}"):
        join_members([bundle, tmp_path / "other"])


def test_another_network_fails_parity(tmp_path: Path, exported: Path) -> None:
    other = make_model("resnet-basic-1-1-2", ResNetOptions(width=8))
    reference = load(write_bundle(other, make_description(other, ResNetOptions(width=8)), tmp_path / "other"))
    description = read_description(exported)
    graph = Predictor(description, open_graph(exported, description, "onnx", precision="float32"))
    measured = measure_parity("onnx", graph, reference, make_sample(), "float32")
    assert not measured.passed("float32")


def test_low_precision_that_costs_too_much_is_refused(tmp_path: Path, bundle: Path) -> None:
    with pytest.raises(ParityError, match="int8 could cost more than half a point"):
        export_bundle(
            [bundle],
            tmp_path / "int8",
            to="onnx",
            precision="int8",
            sample=make_sample(),
            calibration=make_sample(seed=1),
        )
    assert not list(tmp_path.iterdir())


def test_exported_bundle_is_not_exported_again(tmp_path: Path, exported: Path) -> None:
    with pytest.raises(UsageError, match="is already exported"):
        export_bundle(
            [exported],
            tmp_path / "again",
            to="onnx",
            precision="float32",
            sample=make_sample(),
            calibration=make_sample(),
        )


def test_unreadable_trust_is_refused(tmp_path: Path, bundle: Path) -> None:
    broken = Path(shutil.copytree(bundle, tmp_path / "broken"))
    (broken / "trust.npz").write_bytes(b"of another version")
    with pytest.raises(ResidermError, match=r"trust\.npz is damaged or of another version"):
        export_bundle(
            [broken], tmp_path / "out", to="onnx", precision="float32", sample=make_sample(), calibration=make_sample()
        )
    assert not (tmp_path / "out").exists()
