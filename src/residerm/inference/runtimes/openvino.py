"""OpenVINO on the CPU: often the fastest in float32, and for bf16 and int8 on hardware that supports them.

Its default precision depends on the machine, so it is always set: float32 unless the bundle was exported in bf16.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from residerm.inference.graph import finite, require_sound_graph
from residerm.inference.runtimes.graph import GraphRuntime, Port
from residerm.inference.validation import BundleError
from residerm.outputs import Outputs

_KINDS = {"u8": "uint8", "f32": "float32"}


class _Compiled:
    """A compiled graph with one request, for one thread at a time.

    Requests of two threads, each with its own, have been seen to wait for each other forever.
    """

    def __init__(self, model: Any) -> None:
        self.model, self._request, self._lock = model, model.create_infer_request(), threading.Lock()

    def infer(self, pixels: np.ndarray) -> Any:
        """All outputs of some images."""
        with self._lock:
            return self._request.infer({"pixels": np.ascontiguousarray(pixels)})


class OpenVinoRuntime(GraphRuntime[_Compiled]):
    """A graph in OpenVINO: its own (model.xml), or ONNX's."""

    name = "openvino"
    side_by_side = False  # there is one request

    def _open(self, path: Path, threads: int, callers: int) -> _Compiled:
        import openvino

        core = openvino.Core()
        if path.suffix == ".onnx":
            require_sound_graph(path.read_bytes(), str(path))
        model = core.read_model(path)
        if path.suffix != ".onnx":
            _require_finite_constants(model, path)
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if self.precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": callers,
        }
        return _Compiled(core.compile_model(model, "CPU", settings))

    def _ports(self, opened: _Compiled) -> tuple[Sequence[Port], Sequence[Port]]:
        return [_port(one) for one in opened.model.inputs], [_port(one) for one in opened.model.outputs]

    def _infer(self, opened: _Compiled, pixels: np.ndarray, maps: bool) -> Outputs:
        found = opened.infer(pixels)
        values = {output.get_any_name(): value for output, value in found.items()}
        return Outputs(values["logits"], values.get("features"), values.get("maps") if maps else None)

    def _reason(self, error: Exception) -> str:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return lines[-1][:200] if lines else type(error).__name__


def _require_finite_constants(model: Any, path: Path) -> None:
    """Refuse weights that are not finite, which a ReLU would turn into zeros."""
    constants = (one for one in model.get_ops() if one.get_type_name() == "Constant")
    if not all(finite(one.data) for one in constants if one.get_element_type().is_real()):
        raise BundleError(f"{path} contains weights that are not finite; export the model again")


def _port(one: Any) -> Port:
    shape = tuple(side.get_length() if side.is_static else None for side in one.get_partial_shape())
    kind = one.get_element_type().to_string()
    return Port(one.get_any_name(), _KINDS.get(kind, kind), shape)
