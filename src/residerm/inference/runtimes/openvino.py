"""OpenVINO on the CPU: often the fastest in float32, and the way to bf16 and int8 where the hardware has them.

Its own default precision differs by machine, so that it is always set: float32 unless the bundle was exported in bf16.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from residerm.inference.description import ModelDescription
from residerm.inference.graph import require_self_contained
from residerm.inference.runtimes import Classifier
from residerm.inference.validation import BundleError
from residerm.outputs import Outputs
from residerm.parallel import cores


class OpenVinoRuntime:
    """A graph in OpenVINO: its own (model.xml), or ONNX's."""

    name = "openvino"

    def __init__(
        self,
        path: Path,
        description: ModelDescription,
        *,
        precision: str = "float32",
        classifier: Classifier | None = None,
        threads: int | None = None,
    ) -> None:
        """Read and compile the graph; refuse one that is not of the model that is described."""
        self.precision, self.classifier, self._path = precision, classifier, path
        if path.suffix == ".onnx":
            require_self_contained(path.read_bytes(), str(path))
        self._model = _compiled(path, precision, threads or cores())
        _require_fit(self._model, path, description)
        self._of_thread = threading.local()  # a request runs one batch at a time

    def run(self, pixels: np.ndarray, maps: bool) -> Outputs:
        """The outputs of images (n, size, size, 3) uint8; the maps only if asked for."""
        try:
            request = self._of_thread.request
        except AttributeError:
            request = self._of_thread.request = self._model.create_infer_request()
        try:
            found = request.infer({"pixels": np.ascontiguousarray(pixels)})
        except RuntimeError as error:
            raise BundleError(f"{self._path} cannot be run ({_reason(error)}); export the model again") from error
        values = {output.get_any_name(): value for output, value in found.items()}
        return Outputs(values["logits"], values.get("features"), values.get("maps") if maps else None)


def _compiled(path: Path, precision: str, threads: int) -> Any:
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    try:
        return openvino.Core().compile_model(path, "CPU", settings)
    except RuntimeError as error:
        raise BundleError(f"{path} is no graph that can be run ({_reason(error)}); export the model again") from error


def _require_fit(model: Any, path: Path, description: ModelDescription) -> None:
    """Refuse a graph that takes or gives something else than the description says."""
    size, classes, features = description.pixels.size, len(description.classes), description.features

    def said(port: Any) -> str:
        return f"{port.get_any_name()} {port.get_element_type().to_string()} {port.get_partial_shape()}"

    given = {output.get_any_name(): output.get_partial_shape() for output in model.outputs}
    expected = {"logits": classes, "features": features} if features else {"logits": classes}
    fits = [said(port) for port in model.inputs] == [f"pixels u8 [?,{size},{size},3]"]
    fits = fits and ("maps" in given) == description.maps
    if not fits or any(str(given.get(name)) != f"[?,{width}]" for name, width in expected.items()):
        raise BundleError(f"{path} is the graph of another model than model.json describes; export the model again")


def _reason(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
