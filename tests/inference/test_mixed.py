"""bf16 with the first layers in float32: how many layers are kept, and that OpenVINO computes them so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sample_models import make_images

from residerm.inference import Predictor, load, mixed, read_description
from residerm.inference.conversion import write_openvino
from residerm.inference.precision import cpu_has_bf16
from residerm.inference.runtimes.openvino import OpenVinoRuntime


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """The exported bundle as a graph of OpenVINO, without its record."""
    write_openvino(exported / "model.onnx", tmp_path)
    for name in ("model.json", "classifier.npz"):
        (tmp_path / name).write_bytes((exported / name).read_bytes())
    return tmp_path


def _convolutions(folder: Path) -> list[str]:
    """The precision in which each convolution is computed, in their order."""
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(core.read_model(folder / "model.xml"), "CPU", settings)
    info = [layer.get_rt_info() for layer in compiled.get_runtime_model().get_ordered_ops()]
    return [one["runtimePrecision"].value for one in info if one["layerType"].value == "Convolution"]


@pytest.mark.skipif(not cpu_has_bf16(), reason="this CPU has no bf16")
@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_first_layers_are_computed_in_float32(folder: Path, count: int) -> None:
    mixed._mark(folder / "model.xml", count)
    found = _convolutions(folder)
    assert len(found) > 3
    assert found[:count] == ["f32"] * count
    assert set(found[count:]) == {"bf16"}


@pytest.mark.parametrize(
    ("errors", "fraction"), [([0.01], 0), ([0.1, 0.02], 1 / 8), ([1, 1, 0.01], 1 / 4), ([1] * 4, 1 / 2)]
)
def test_as_few_layers_as_needed_are_kept(
    exported: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, errors: list[float], fraction: float
) -> None:
    left = list(errors)
    monkeypatch.setattr(mixed, "_error", lambda *_: left.pop(0))
    layers = mixed._weighted_layers(folder / "model.xml")
    assert mixed.keep_first_layers(folder, load(exported), make_images()) == int(layers * fraction)
    assert not left


def test_marked_layers_change_no_output_in_float32(exported: Path, folder: Path) -> None:
    mixed._mark(folder / "model.xml", 3)
    description = read_description(exported)
    graph = Predictor(description, OpenVinoRuntime(folder / "model.xml", description))
    np.testing.assert_allclose(
        graph.outputs(make_images()).logits, load(exported).outputs(make_images()).logits, atol=1e-5
    )


def test_what_is_common_to_all_classes_is_no_error() -> None:
    logits = np.array([[1.0, 2.0, 3.0]], np.float32)
    assert mixed._error(logits + 5, logits) == pytest.approx(0, abs=1e-6)
    assert mixed._error(logits + np.array([1.0, -1.0, 0.0]), logits) == pytest.approx(np.sqrt(2 / 3))
