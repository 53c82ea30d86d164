"""How fast a network runs in each runtime and precision, against PyTorch as it is (eager, float32).

    speeds = bench_inference("resnet50", sizes=(64, 224), batches=(1, 32))
    speeds.cases[0].ratios["openvino bf16"]

Runtimes take turns, so that whatever else the machine does hits all of them; a ratio is the median of the ratios within
a round. A name stands for the network with random weights, whose speed is that of trained ones; what bf16 and int8 cost
in accuracy is measured by `export`, on real images.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from residerm.config import PixelSpec
from residerm.description import ModelDescription
from residerm.inference.bundle import read_network
from residerm.inference.loading import is_installed, open_graph
from residerm.parallel import cores
from residerm.processor import processor, processor_features
from residerm.progress import SILENT, Progress

if TYPE_CHECKING:
    from residerm.models.ensemble import Ensemble
    from residerm.models.model import Model

EAGER = "torch eager float32"
_CLASSES = 7
_REST = 0.02  # seconds
_RANGES = 20  # images that set the ranges of int8

Run = Callable[[np.ndarray], object]


class Case(BaseModel):
    """One size and batch: the median time of an image in each runtime, and how many times as fast as eager it is."""

    model_config = ConfigDict(frozen=True)

    size: int
    batch: int
    milliseconds: dict[str, float]
    ratios: dict[str, float]


class Speeds(BaseModel):
    """Everything that was measured, and on what."""

    model_config = ConfigDict(frozen=True)

    model: str
    processor: str
    features: tuple[str, ...]
    threads: int
    rounds: int
    cases: tuple[Case, ...]

    def mean_ratio(self, runtime: str) -> float | None:
        """The geometric mean of a runtime's ratios; None where it was not measured in every case."""
        ratios = [case.ratios.get(runtime) for case in self.cases]
        known = [ratio for ratio in ratios if ratio]
        return statistics.geometric_mean(known) if len(known) == len(ratios) else None


def bench_inference(
    model: str,
    *,
    sizes: Sequence[int] = (64, 128, 224),
    batches: Sequence[int] = (1, 32),
    rounds: int = 7,
    threads: int | None = None,
    int8: bool = True,
    progress: Progress = SILENT,
) -> Speeds:
    """Measure a network by its name, or that of a run or a bundle at its own size."""
    import torch

    threads = threads or cores()
    torch.set_num_threads(threads)
    path, cases = Path(model), list[Case]()
    for network in [read_network(path)[0]] if path.exists() else (_by_name(model, size) for size in sizes):
        with tempfile.TemporaryDirectory() as folder:
            progress.advance("building", len(cases), None, unit="cases", note=f"{network.size} px")
            runs = _runtimes(network, Path(folder), threads, int8)
            for batch in batches:
                cases.append(_case(runs, network.size, batch, rounds))
                progress.advance("measuring", len(cases), None, unit="cases", note=f"{network.size} px, {batch}")
    return Speeds(
        model=model, processor=processor(), features=processor_features(), threads=threads, rounds=rounds,
        cases=tuple(cases),
    )  # fmt: skip


def _by_name(name: str, size: int) -> Model:
    import torch

    from residerm.models.zoo import build

    torch.manual_seed(0)
    return build(name, _CLASSES, size).eval()


def _runtimes(model: Model | Ensemble, folder: Path, threads: int, int8: bool) -> Mapping[str, Run]:
    """Every runtime that is installed, in every precision that this machine has, ready to run."""
    from residerm.inference.conversion import quantise, write_onnx, write_openvino
    from residerm.inference.precision import cpu_has_bf16
    from residerm.inference.runtimes.torch import TorchRuntime

    said = _description(model)
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
            quantise(write_openvino(graph, small), (_pixels(1, model.size, seed) for seed in range(_RANGES)))
            engines.append(("openvino", "int8", small))
    for engine, precision, place in engines:
        ready = open_graph(place, said, engine, precision=precision, threads=threads)  # type: ignore[arg-type]
        runs[f"{engine} {precision}"] = lambda pixels, ready=ready: ready.run(pixels, False)  # type: ignore[misc]
    return runs


def _eager(model: Model | Ensemble) -> Run:
    """The model as PyTorch's own tutorials run it."""
    import torch

    def run(pixels: np.ndarray) -> object:
        with torch.inference_mode():
            return model.outputs(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())[0].softmax(1).numpy()

    return run


def _case(runs: Mapping[str, Run], size: int, batch: int, rounds: int) -> Case:
    """All runtimes in turns; the first turn of each warms up."""
    pixels = _pixels(batch, size, 0)
    for run in runs.values():
        run(pixels)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        names = list(runs) if number % 2 == 0 else list(runs)[::-1]
        for name in names:
            time.sleep(_REST)  # threads of the runtime before stop spinning
            runs[name](pixels)
            times[name].append(_seconds(runs[name], pixels))
    ratios = {
        name: statistics.median(eager / own for eager, own in zip(times[EAGER], some, strict=True))
        for name, some in times.items()
    }
    return Case(
        size=size,
        batch=batch,
        milliseconds={name: 1000 * statistics.median(some) / batch for name, some in times.items()},
        ratios=ratios,
    )


def _seconds(run: Run, pixels: np.ndarray, at_least: float = 0.05) -> float:
    """The time of one run, as the mean of as many as take at least so long."""
    began, count = time.perf_counter(), 0
    while True:
        run(pixels)
        count += 1
        spent = time.perf_counter() - began
        if spent >= at_least:
            return spent / count


def _pixels(count: int, size: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def _description(model: Model | Ensemble) -> ModelDescription:
    """Enough of a description for a graph to be opened by."""
    classes = tuple(f"class {number}" for number in range(model.classes))
    return ModelDescription(
        model="measured", classes=classes, task="diagnosis", pixels=PixelSpec(size=model.size), mean=(0, 0, 0),
        deviation=(1, 1, 1), features=model.features, maps=model.grid is not None,
        prior=(1 / len(classes),) * len(classes), archive="", synthetic=True, data_licence="", data_citation="",
        trained_on=0, selected_by="", validation={}, residerm="",
    )  # fmt: skip
