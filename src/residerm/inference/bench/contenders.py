"""The runtimes and precisions in which a network is measured.

A network is measured in float32 in every runtime that is installed. In lower precision, a trained model is measured by
its exports: their own graphs, at another size with the same layers and weights. A network by name has no images, so all
of its layers are computed in bf16, and in int8 those that `export` would quantise; parity is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from residerm.config import PixelSpec
from residerm.description import ModelDescription
from residerm.errors import ResidermError, UsageError
from residerm.inference.bench.networks import Export, Network
from residerm.inference.bench.speeds import EAGER
from residerm.inference.exported import graph_of
from residerm.inference.loading import is_installed, open_graph
from residerm.inference.parity import Engine
from residerm.outputs import Outputs

if TYPE_CHECKING:
    from residerm.models.ensemble import Ensemble
    from residerm.models.model import Model

_RANGES = 2  # images that set the ranges of int8, which do not affect its speed

Run = Callable[[np.ndarray], Outputs]


def contenders(network: Network, size: int, folder: Path, threads: int, *, int8: bool) -> dict[str, Run]:
    """Prepare every runtime and precision; graphs are written to the folder, which must be kept."""
    from residerm.inference.conversion import write_onnx, write_openvino
    from residerm.inference.runtimes.torch import TorchRuntime

    model = network.build(size)
    fused = TorchRuntime(model, threads=threads, device="cpu")
    runs: dict[str, Run] = {EAGER: _eager(model), "torch fused float32": lambda pixels: fused.run(pixels, False)}
    description = _description(model)
    graph = write_onnx(model, folder)
    runs["onnx float32"] = _opened(folder, description, "onnx", "float32", threads)
    if is_installed("openvino"):
        own = folder / "openvino"
        own.mkdir()
        write_openvino(graph, own)
        runs["openvino float32"] = _opened(own, description, "openvino", "float32", threads)
    if network.description:
        return runs | dict(_exported(network, size, folder, threads))
    return runs | dict(_reduced(graph, description, threads, int8=int8))


def random_pixels(count: int, size: int, seed: int = 0) -> np.ndarray:
    """Random images, (count, size, size, 3) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def _exported(network: Network, size: int, folder: Path, threads: int) -> Iterator[tuple[str, Run]]:
    """The exports of a trained model in lower precision, in the runtimes for which their parity was measured."""
    for export in network.reduced:
        for engine in filter(is_installed, export.parity.fastest):
            name = f"{engine} {export.parity.precision}"
            if size == export.description.pixels.size:
                yield name, _opened(export.folder, export.description, engine, export.parity.precision, threads)
            else:
                (folder / name).mkdir(exist_ok=True)
                yield name, _resized(export, size, folder / name, engine, threads)


def _resized(export: Export, size: int, folder: Path, engine: Engine, threads: int) -> Run:
    """The graph of an export at another size, which is written to a folder."""
    from residerm.inference.conversion import resize

    own = export.description
    changes = {"pixels": own.pixels.model_copy(update={"size": size}), "linear_classifier": False}
    try:
        resize(graph_of(export.folder), size, folder)
        run = _opened(folder, own.model_copy(update=changes), engine, export.parity.precision, threads)
        fits = len(run(random_pixels(1, size))) == 1  # a layer for another size may have made it several images
    except (ResidermError, RuntimeError):  # the second is OpenVINO's
        fits = False
    if not fits:
        raise UsageError(
            f"`sizes={size}`: {export.folder} has layers that only fit images of {own.pixels.size} px; measure it at "
            "its own size"
        )
    return run


def _reduced(graph: Path, description: ModelDescription, threads: int, *, int8: bool) -> Iterator[tuple[str, Run]]:
    """bf16 and int8 of a network by name, as far as the processor and the installation support them."""
    from residerm.inference.conversion import quantise, sensitive_layers, write_openvino
    from residerm.inference.precision import cpu_has_bf16

    if not is_installed("openvino"):
        return
    if cpu_has_bf16():
        yield "openvino bf16", _opened(graph.parent / "openvino", description, "openvino", "bf16", threads)
    if int8 and is_installed("nncf"):
        small = graph.parent / "int8"
        small.mkdir()
        images = (random_pixels(1, description.pixels.size, seed) for seed in range(_RANGES))
        quantise(write_openvino(graph, small), images, sensitive_layers(graph))
        yield "openvino int8", _opened(small, description, "openvino", "int8", threads)


def _opened(folder: Path, description: ModelDescription, engine: Engine, precision: str, threads: int) -> Run:
    ready = open_graph(folder, description, engine, precision=precision, threads=threads)
    return lambda pixels: ready.run(pixels, False)


def _eager(model: Model | Ensemble) -> Run:
    """The model as in PyTorch's tutorials."""
    import torch

    def run(pixels: np.ndarray) -> Outputs:
        with torch.inference_mode():
            return Outputs(model.outputs(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())[0].numpy())

    return run


def _description(model: Model | Ensemble) -> ModelDescription:
    """A minimal description, as needed to open a graph."""
    classes = tuple(f"class {number}" for number in range(model.classes))
    return ModelDescription(
        model="measured", classes=classes, task="diagnosis", pixels=PixelSpec(size=model.size), mean=(0, 0, 0),
        deviation=(1, 1, 1), features=model.features, maps=model.grid is not None,
        prior=(1 / len(classes),) * len(classes), archive="", synthetic=True, data_licence="", data_citation="",
        trained_on=0, selected_by="", validation={}, residerm="",
    )  # fmt: skip
