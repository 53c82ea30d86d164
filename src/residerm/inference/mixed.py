"""bf16 with the first layers in float32, if a network loses too much by rounding there.

Most of the error of EfficientNet-Lite0 comes from its first convolutions, and that of ResNet-50 is small everywhere. So
as few of the first layers as needed stay in float32: none, or up to half of them. They are chosen on images of the
training part; whether the result is good enough is decided by parity, on other images.

OpenVINO computes the layers that are marked in the graph as `precise` in float32, whatever precision is requested.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from residerm.inference.exported import OPENVINO
from residerm.inference.loading import open_graph
from residerm.inference.predictor import Predictor

# Of a logit, root mean square. ResNet-50 passed with 0.021, and EfficientNet-Lite0 failed with 0.024 (dev/LOG.md).
_MOST_ERROR = 0.022
_FRACTIONS = (0.0, 1 / 8, 1 / 4, 1 / 2)  # of the layers with weights
_WEIGHTED = ("Convolution", "GroupConvolution", "MatMul")
_NOT_COMPUTED = ("Parameter", "Const", "Result")


def keep_first_layers(folder: Path, reference: Predictor, pixels: np.ndarray) -> int:
    """Mark as few of the first layers as needed to be computed in float32; the number of those with weights."""
    graph = folder / OPENVINO[0]
    layers, expected = _weighted_layers(graph), reference.outputs(pixels).logits
    kept = 0
    for fraction in _FRACTIONS:
        kept = int(layers * fraction)
        _mark(graph, kept)
        runtime = open_graph(folder, reference.description, "openvino", precision="bf16")
        if _error(Predictor(reference.description, runtime).outputs(pixels).logits, expected) <= _MOST_ERROR:
            break
    return kept


def _error(found: np.ndarray, expected: np.ndarray) -> float:
    """The root mean square difference of logits, without what is common to all classes of an image."""
    difference = found - expected
    return float(np.sqrt(((difference - difference.mean(axis=1, keepdims=True)) ** 2).mean()))


def _weighted_layers(graph: Path) -> int:
    return sum(layer.get("type") in _WEIGHTED for layer in ElementTree.parse(graph).iter("layer"))


def _mark(graph: Path, count: int) -> None:
    """Mark the first layers with weights, and all layers before the next one; they are stored in their order."""
    if not count:
        return
    tree = ElementTree.parse(graph)
    for layer in tree.iter("layer"):
        count -= layer.get("type") in _WEIGHTED
        if count < 0:
            break
        if layer.get("type") not in _NOT_COMPUTED:
            _mark_layer(layer)
    tree.write(graph, encoding="utf-8", xml_declaration=True)


def _mark_layer(layer: ElementTree.Element) -> None:
    info = layer.find("rt_info")
    if info is None:
        info = ElementTree.Element("rt_info")
        layer.insert(0 if layer.find("data") is None else 1, info)  # the order that OpenVINO writes
    if not any(one.get("name") == "precise" for one in info):
        ElementTree.SubElement(info, "attribute", name="precise", version="0")
