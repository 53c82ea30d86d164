"""The runtimes to be measured: each one that is installed, in each precision that this CPU supports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from residerm.config import PixelSpec
from residerm.description import ModelDescription
from residerm.inference.bench.speeds import EAGER
from residerm.inference.loading import is_installed, open_graph

if TYPE_CHECKING:
    from residerm.models.ensemble import Ensemble
    from residerm.models.model import Model

_RANGES = 2  # images that set the ranges of int8, which do not affect its speed

Run = Callable[[np.ndarray], object]


def contenders(model: Model | Ensemble, folder: Path, threads: int, *, int8: bool) -> Mapping[str, Run]:
    """Prepare every runtime and precision; graphs are written to the folder, which must be kept."""
    from residerm.inference.conversion import quantise, sensitive_layers, write_onnx, write_openvino
    from residerm.inference.precision import cpu_has_bf16
    from residerm.inference.runtimes.torch import TorchRuntime

    description = _description(model)
    fused = TorchRuntime(model, threads=threads, device="cpu")
    runs: dict[str, Run] = {EAGER: _eager(model), "torch fused float32": lambda pixels: fused.run(pixels, False)}
    graph = write_onnx(model, folder)
    engines = [("onnx", "float32", folder)]
    if is_installed("openvino"):
        own = folder / "openvino"
        own.mkdir()
        write_openvino(graph, own)
        engines += [("openvino", "float32", own)] + [("openvino", "bf16", own)] * cpu_has_bf16()
        if int8 and is_installed("nncf"):
            small = folder / "int8"
            small.mkdir()
            images = (random_pixels(1, model.size, seed) for seed in range(_RANGES))
            quantise(write_openvino(graph, small), images, sensitive_layers(graph))
            engines.append(("openvino", "int8", small))
    for engine, precision, place in engines:
        ready = open_graph(place, description, engine, precision=precision, threads=threads)  # type: ignore[arg-type]
        runs[f"{engine} {precision}"] = lambda pixels, ready=ready: ready.run(pixels, False)  # type: ignore[misc]
    return runs


def _eager(model: Model | Ensemble) -> Run:
    """The model as in PyTorch's tutorials."""
    import torch

    def run(pixels: np.ndarray) -> object:
        with torch.inference_mode():
            return model.outputs(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())[0].softmax(1).numpy()

    return run


def random_pixels(count: int, size: int, seed: int = 0) -> np.ndarray:
    """Random images, (count, size, size, 3) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def _description(model: Model | Ensemble) -> ModelDescription:
    """A minimal description, as needed to open a graph."""
    classes = tuple(f"class {number}" for number in range(model.classes))
    return ModelDescription(
        model="measured", classes=classes, task="diagnosis", pixels=PixelSpec(size=model.size), mean=(0, 0, 0),
        deviation=(1, 1, 1), features=model.features, maps=model.grid is not None,
        prior=(1 / len(classes),) * len(classes), archive="", synthetic=True, data_licence="", data_citation="",
        trained_on=0, selected_by="", validation={}, residerm="",
    )  # fmt: skip
