"""Convert a network in torch to a graph on disk, in the format of ONNX or OpenVINO, in float32 or int8.

The graph takes pixels, (n, size, size, 3) uint8 with any n, and returns logits, features and maps by name; it includes
the normalisation. It is stored in one file with all weights (two for OpenVINO).
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from residerm.inference.exported import ONNX, OPENVINO
from residerm.inference.runtimes.torch import AllOutputs

if TYPE_CHECKING:
    from residerm.models.ensemble import Ensemble
    from residerm.models.model import Model

_EXAMPLE_BATCH = 2  # a batch of one would be treated as a constant
_OUTPUTS = ("logits", "features", "maps")
_SUMS = ("Add", "ReduceMean")  # operators whose inputs stay in float32 in an int8 graph


class _FromPixels(nn.Module):
    """A model that takes pixels in the layout of decoded images."""

    def __init__(self, model: Model | Ensemble) -> None:
        super().__init__()
        self.network = AllOutputs(model)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        outputs = self.network(pixels.permute(0, 3, 1, 2).float())
        return tuple(one for one in outputs if one is not None)


def write_onnx(model: Model | Ensemble, folder: Path) -> Path:
    """Write the graph of a model as model.onnx."""
    module = _FromPixels(model).eval()
    example = torch.zeros(_EXAMPLE_BATCH, model.size, model.size, 3, dtype=torch.uint8)
    with torch.no_grad():
        given = len(module(example))
    with warnings.catch_warnings(), _quiet("torch.onnx", "onnxscript", "onnx_ir"):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module, (example,), dynamo=True, dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=["pixels"], output_names=_OUTPUTS[:given], verbose=False,
        )  # fmt: skip
    assert program is not None
    path = folder / ONNX[0]
    program.save(path, external_data=False)
    return path


def store_in_half(path: Path) -> None:
    """Store the filters of an ONNX graph in float16; the graph casts them back and computes in float32."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(path)
    graph = model.graph
    filters = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    stored = [tensor for tensor in graph.initializer if tensor.name in filters]
    stored = [tensor for tensor in stored if tensor.data_type == TensorProto.FLOAT]
    casts = []
    for tensor in stored:
        name, numbers = tensor.name, numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(numbers.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], f"{name}_whole", to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, path)


def write_openvino(onnx: Path, folder: Path, *, in_half: bool = False) -> Path:
    """Write an ONNX graph in OpenVINO's format, as model.xml and model.bin."""
    import openvino

    return _save_openvino(openvino.convert_model(onnx), folder, in_half=in_half)


def resize(graph: Path, size: int, folder: Path) -> Path:
    """Write a graph of either format for images of another size, with the same layers and weights.

    If some layers only fit images of its own size, an error is raised here, or when the graph is opened or run.
    """
    if graph.suffix == ".onnx":
        return _resize_onnx(graph, size, folder)
    import openvino

    model = openvino.Core().read_model(graph)
    model.reshape({"pixels": [-1, size, size, 3]})
    return _save_openvino(model, folder)


def _resize_onnx(graph: Path, size: int, folder: Path) -> Path:
    import onnx

    model = onnx.load(graph)
    del model.graph.value_info[:]  # shapes between the layers, for the old size
    for side in model.graph.input[0].type.tensor_type.shape.dim[1:3]:
        side.dim_value = size
    for output in model.graph.output:
        if output.name == "maps":
            for side in output.type.tensor_type.shape.dim[1:3]:
                side.Clear()
    onnx.save(model, folder / ONNX[0])
    return folder / ONNX[0]


def sensitive_layers(onnx: Path) -> tuple[str, ...]:
    """The names of layers that stay in float32 in an int8 graph: the first, the last, shortcuts, and depthwise ones.

    In a ResNet-50 and an EfficientNet-Lite0, they caused most of the error. A shortcut with weights cannot be told from
    the branch that it is added to, so both convolutions of such an addition are returned.
    """
    from onnx import load

    graph = load(onnx, load_external_data=False).graph
    nodes, shapes = graph.node, {tensor.name: tensor.dims for tensor in graph.initializer}
    made_by = {name: node for node in nodes for name in node.output}
    weighted = [node.name for node in nodes if node.op_type in ("Conv", "Gemm", "MatMul")]
    found = weighted[:1] + weighted[-1:]
    for node in nodes:
        added = [made_by[name] for name in node.input if name in made_by]
        if node.op_type == "Add" and [one.op_type for one in added] == ["Conv", "Conv"]:
            found += [one.name for one in added]
        if node.op_type == "Conv" and _is_depthwise(node, shapes[node.input[1]]):
            found.append(node.name)
    return tuple(dict.fromkeys(found))


def _is_depthwise(convolution: Any, shape: Sequence[int]) -> bool:
    """Whether each filter sees a single channel of several."""
    return shape[1] == 1 and any(one.name == "group" and one.i > 1 for one in convolution.attribute)


def quantise(graph: Path, calibration: Iterable[np.ndarray], float32: Iterable[str]) -> None:
    """Replace a graph by its int8 version, with ranges calibrated on some images (1, size, size, 3).

    The layers in `float32`, named as in ONNX, are not quantised, nor are the sums of residual connections.
    """
    images = list(calibration)
    if graph.suffix == ".onnx":
        import onnx

        onnx.save(_quantised(onnx.load(graph), [{"pixels": one} for one in images], float32), graph)
    else:
        import openvino

        quantised = _quantised(openvino.Core().read_model(graph), images, float32)
        written = _save_openvino(quantised, graph.parent, "quantised.xml")  # the old one is still mapped
        for name, suffix in zip(OPENVINO, (".xml", ".bin"), strict=True):
            written.with_suffix(suffix).replace(graph.parent / name)


def _quantised(model: Any, images: list[Any], float32: Iterable[str]) -> Any:
    named = [f"^{re.escape(name)}(/WithoutBiases)?$" for name in float32]  # OpenVINO's importer adds this suffix
    shown = io.StringIO()  # progress bars on stdout, where JSON may be expected
    with warnings.catch_warnings(), _quiet("nncf", "torch.utils.cpp_extension"), contextlib.redirect_stdout(shown):
        warnings.simplefilter("ignore")
        import nncf
        from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        return nncf.quantize(
            model,
            nncf.Dataset(images),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(images),
            ignored_scope=nncf.IgnoredScope(patterns=named, types=list(_SUMS), validate=False),
            advanced_parameters=AdvancedQuantizationParameters(
                activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
            ),
        )


def _save_openvino(model: Any, folder: Path, name: str = OPENVINO[0], *, in_half: bool = False) -> Path:
    import openvino

    path = folder / name
    openvino.save_model(model, path, compress_to_fp16=in_half)
    return path


class _quiet:
    """A context manager that silences loggers below the level of errors."""

    def __init__(self, *names: str) -> None:
        self._loggers = [logging.getLogger(name) for name in names]

    def __enter__(self) -> None:
        self._levels = [logger.level for logger in self._loggers]
        for logger in self._loggers:
            logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        for logger, level in zip(self._loggers, self._levels, strict=True):
            logger.setLevel(level)
