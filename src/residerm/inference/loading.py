"""Load a run or a bundle as a Predictor, with the given runtime or, for `auto`, with the fastest available one.

A run and its bundle run in torch. An exported bundle runs in the runtimes for which parity was measured, in the
precision of its export; `auto` selects the one that was the fastest at export, if it is installed.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from residerm.config.prediction import PredictPrecision, RuntimeChoice
from residerm.description import ModelDescription
from residerm.errors import UsageError, listed
from residerm.extras import missing_extra
from residerm.inference.bundle import find_bundle, read_description, read_network, read_trust
from residerm.inference.exported import graph_of, is_exported, read_classifier, read_parity
from residerm.inference.parity import Engine, ParityRecord
from residerm.inference.predictor import Predictor

if TYPE_CHECKING:
    from residerm.inference.runtimes import Runtime

_PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino", "torch": "torch", "nncf": "nncf"}
_EXTRAS = {"openvino": "openvino", "torch": "train"}


def load(
    path: str | Path,
    *,
    runtime: RuntimeChoice = "auto",
    precision: PredictPrecision | None = None,
    threads: int | None = None,
    device: str | None = None,
) -> Predictor:
    """Load a run or a bundle.

    By default, `precision` is float32 in torch and that of the export for an exported bundle, and `threads` is the
    number of cores. `device` is for torch.
    """
    if runtime != "auto" and runtime not in _PACKAGES:
        raise UsageError(f"`runtime={runtime}` is not known: choose auto, torch, onnx or openvino")
    folder = find_bundle(Path(path))
    trust = read_trust(folder)
    if is_exported(folder):
        description = read_description(folder)
        return Predictor(description, _of_graph(folder, description, runtime, precision, threads), trust)
    if runtime not in ("auto", "torch"):
        raise UsageError(f"`runtime={runtime}`: {path} is not exported; residerm export {path} --to {runtime}")
    require_installed("torch")
    if precision in ("float16", "int8"):
        raise UsageError(f"`precision={precision}`: {path} is not exported; residerm export {path} --to openvino")
    from residerm.inference.runtimes.torch import TorchRuntime

    model, description = read_network(folder)
    running = TorchRuntime(model, precision=precision or "float32", device=device, threads=threads)
    return Predictor(description, running, trust)


def require_installed(runtime: str) -> None:
    """Raise an error that says how to install the library of a runtime, if it is not installed."""
    if not is_installed(runtime):
        raise missing_extra(f"the runtime {runtime}", _EXTRAS.get(runtime, ""))


def is_installed(runtime: str) -> bool:
    """Whether the library of a runtime is installed."""
    return find_spec(_PACKAGES[runtime]) is not None


def open_graph(
    folder: Path, description: ModelDescription, engine: Engine, *, precision: str, threads: int | None = None
) -> Runtime:
    """Open the graph of an exported bundle in a runtime, without checking its parity."""
    graph, classifier = graph_of(folder), read_classifier(folder, description)
    if engine == "openvino":
        from residerm.inference.runtimes.openvino import OpenVinoRuntime

        return OpenVinoRuntime(graph, description, precision=precision, classifier=classifier, threads=threads)
    from residerm.inference.runtimes.onnx import OnnxRuntime

    return OnnxRuntime(graph, description, precision=precision, classifier=classifier, threads=threads)


def _of_graph(
    folder: Path,
    description: ModelDescription,
    runtime: RuntimeChoice,
    precision: PredictPrecision | None,
    threads: int | None,
) -> Runtime:
    record = read_parity(folder, description)
    if precision not in (None, "auto", record.precision):
        raise UsageError(
            f"`precision={precision}`: {folder} was exported in {record.precision}; export it in {precision}"
        )
    return open_graph(
        folder, description, _engine(folder, record, runtime), precision=record.precision, threads=threads
    )


def _engine(folder: Path, record: ParityRecord, runtime: RuntimeChoice) -> Engine:
    """The given runtime, or the fastest that is installed."""
    if runtime == "torch":
        raise UsageError(f"`runtime=torch`: {folder} is exported, and cannot be run by torch; choose auto")
    if runtime != "auto":
        if record.of(runtime) is None:
            raise UsageError(
                f"`runtime={runtime}`: the parity of {folder} was only measured in {listed(record.fastest)}; "
                f"choose auto, or export its run with `to={runtime}`"
            )
        require_installed(runtime)
        return runtime
    for engine in record.fastest:
        if is_installed(engine):
            return engine
    require_installed(record.fastest[0])
    raise AssertionError(f"{record.fastest[0]} is installed after all")
