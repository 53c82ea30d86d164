"""Weights stored in half precision: half the size, arithmetic in float32, and nearly the same outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from sample_models import make_images, make_sample

from residerm.errors import UsageError
from residerm.inference import load
from residerm.inference.conversion import store_in_half
from residerm.inference.export import export_bundle
from residerm.inference.parity import Engine


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_half_precision_outputs_are_close(tmp_path: Path, bundle: Path, engine: Engine) -> None:
    record = export_bundle(
        [bundle], tmp_path / "half", to=engine, precision="float16", sample=make_sample(200), calibration=make_sample()
    )
    assert record.precision == "float16"
    assert record.passed
    predictor = load(tmp_path / "half")
    found, expected = predictor.outputs(make_images()).probabilities, load(bundle).outputs(make_images()).probabilities
    assert predictor.precision == "float16"
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_only_filters_are_rounded_to_half(exported: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes((exported / "model.onnx").read_bytes())
    store_in_half(path)
    whole, half = (
        {one.name: onnx.numpy_helper.to_array(one) for one in onnx.load(file).graph.initializer}
        for file in (exported / "model.onnx", path)
    )
    graph = onnx.load(path).graph
    filters = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    assert filters
    for name, numbers in whole.items():
        if name in filters:
            np.testing.assert_array_equal(half[f"{name}_half"], numbers.astype(np.float16))
        else:
            np.testing.assert_array_equal(half[name], numbers)
    assert all(one.data_type == TensorProto.FLOAT16 for one in graph.initializer if one.name.endswith("_half"))
    onnx.checker.check_model(path)


def test_half_is_refused_for_torch(bundle: Path) -> None:
    with pytest.raises(UsageError, match="is not exported"):
        load(bundle, precision="float16")
