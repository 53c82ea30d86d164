"""int8: which layers stay in float32, and that only the others are quantised."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from sample_models import make_images, make_model

from residerm.config import ResNetOptions
from residerm.inference.conversion import quantise, sensitive_layers, write_onnx


def _weighted(graph: Path) -> dict[str, onnx.NodeProto]:
    return {node.name: node for node in onnx.load(graph).graph.node if node.op_type in ("Conv", "Gemm", "MatMul")}


def _quantised_layers(graph: Path) -> set[str]:
    """The layers whose images are quantised."""
    nodes = onnx.load(graph).graph.node
    made_by = {name: node.op_type for node in nodes for name in node.output}
    return {name for name, node in _weighted(graph).items() if made_by.get(node.input[0]) == "DequantizeLinear"}


def test_first_and_last_layers_and_shortcuts_are_sensitive(tmp_path: Path) -> None:
    graph = write_onnx(make_model("resnet-basic-1-1-1", ResNetOptions(width=8, shortcut="projection")), tmp_path)
    layers = _weighted(graph)
    kernels = {
        name: [one.ints for one in node.attribute if one.name == "kernel_shape"] for name, node in layers.items()
    }
    shortcuts = {name for name, sides in kernels.items() if sides and list(sides[0]) == [1, 1]}
    found = sensitive_layers(graph)
    assert len(shortcuts) == 2
    assert {*shortcuts, next(iter(layers)), list(layers)[-1]} < set(found)
    assert len(found) == len(set(found)) == 2 + 2 * len(shortcuts)


def test_a_network_without_shortcuts_has_two_sensitive_layers(tmp_path: Path) -> None:
    graph = write_onnx(make_model("cnn", ResNetOptions()), tmp_path)
    assert len(sensitive_layers(graph)) == 2


def test_depthwise_convolutions_are_sensitive(tmp_path: Path) -> None:
    graph = write_onnx(make_model("mobilenetv3_small_050", ResNetOptions()), tmp_path)
    layers = _weighted(graph)
    depthwise = {
        name for name, node in layers.items() if any(one.name == "group" and one.i > 1 for one in node.attribute)
    }
    assert len(depthwise) == 11
    assert depthwise < set(sensitive_layers(graph)) < set(layers)


@pytest.mark.parametrize("name", ["resnet-basic-1-1-1", "logistic"])
def test_other_layers_are_quantised(tmp_path: Path, name: str) -> None:
    graph = write_onnx(make_model(name, ResNetOptions(width=8 if "resnet" in name else None)), tmp_path)
    sensitive = sensitive_layers(graph)
    quantise(graph, list(make_images()[:, None]), sensitive)
    assert _quantised_layers(graph) == set(_weighted(graph)) - set(sensitive)
