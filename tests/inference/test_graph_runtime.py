"""Both runtimes of exported graphs: slices, threads and refusals."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sample_models import make_images, make_sample

from residerm.inference import load
from residerm.inference.bundle import read_description
from residerm.inference.export import export_bundle
from residerm.inference.loading import open_graph
from residerm.inference.parity import Engine, ParityRecord
from residerm.inference.runtimes import graph
from residerm.inference.validation import BundleError

ENGINES: tuple[Engine, ...] = ("onnx", "openvino")


@pytest.mark.parametrize("engine", ENGINES)
def test_slices_do_not_change_outputs(exported: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = make_images(7)
    whole = load(exported, runtime=engine, threads=1).outputs(pixels, maps=True)
    monkeypatch.setattr(graph, "_PIXELS_AT_ONCE", 3 * 32 * 32)
    sliced = load(exported, runtime=engine, threads=1).outputs(pixels, maps=True)
    for name in ("logits", "features", "maps"):
        np.testing.assert_allclose(getattr(sliced, name), getattr(whole, name), atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_do_not_change_outputs(exported: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the order of the images, although slices finish in any order."""
    pixels = make_images(11)
    alone = load(exported, runtime=engine, threads=1).outputs(pixels, maps=True)
    monkeypatch.setattr(graph, "_PIXELS_AT_ONCE", 2 * 32 * 32)
    for threads, count in ((2, 3), (2, 4), (2, 11), (3, 11)):
        predictor = load(exported, runtime=engine, threads=threads)
        found = predictor.outputs(pixels[:count], maps=True)
        for name in ("logits", "features", "maps"):
            np.testing.assert_allclose(getattr(found, name), getattr(alone, name)[:count], atol=1e-5)
        opened_again = "_of_threads" in vars(predictor._runtime)
        assert opened_again == (engine == "onnx" and count >= 2 * threads)


@pytest.mark.parametrize("engine", ENGINES)
def test_graph_with_other_classes_or_features_is_refused(exported: Path, engine: Engine) -> None:
    description = read_description(exported)
    for changed in ({"classes": ("a", "b"), "prior": (0.5, 0.5)}, {"maps": False}):
        other = description.model_copy(update={"linear_classifier": False, **changed})
        with pytest.raises(BundleError, match="is the graph of another model"):
            open_graph(exported, other, engine, precision="float32")


@pytest.mark.parametrize("engine", ENGINES)
def test_invalid_graph_is_refused(exported: Path, tmp_path: Path, engine: Engine) -> None:
    description = read_description(exported).model_copy(update={"linear_classifier": False})
    (tmp_path / "model.onnx").write_bytes(b"no graph at all" * 10)
    with pytest.raises(BundleError, match="truncated, or is not an ONNX graph"):
        open_graph(tmp_path, description, engine, precision="float32")


def test_low_precision_is_compared_in_eight_views(tmp_path: Path, bundle: Path) -> None:
    record = export_bundle(
        [bundle], tmp_path / "half", to="onnx", precision="float16", sample=make_sample(60), calibration=make_sample()
    )
    assert record.views == 8
    assert "60 images in 8 views each" in record.explained
    assert "balanced_accuracy" in record.explained
    assert ParityRecord.read(tmp_path / "half" / "parity.json") == record.sealed()
    assert "of 480 |" in (tmp_path / "half" / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize("engine", ENGINES)
def test_callers_in_several_threads_get_their_own_outputs(exported: Path, engine: Engine) -> None:
    predictor, pixels = load(exported, runtime=engine, threads=2), make_images(12)
    alone = [predictor.outputs(one[None]).logits for one in pixels]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: predictor.outputs(one[None]).logits, pixels))
    np.testing.assert_allclose(found, alone, atol=1e-5)
