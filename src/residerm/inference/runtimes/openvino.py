"""OpenVINO on the CPU: often the fastest in float32, and the way to bf16 and int8 where the hardware has them.

Its own default precision differs by machine, so that it is always set: float32 unless the bundle was exported in bf16.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from residerm.inference.graph import require_self_contained
from residerm.inference.runtimes.graph import GraphRuntime, Port
from residerm.outputs import Outputs

_KINDS = {"u8": "uint8", "f32": "float32"}


class OpenVinoRuntime(GraphRuntime):
    """A graph in OpenVINO: its own (model.xml), or ONNX's."""

    name = "openvino"

    def _open(self, path: Path, threads: int) -> None:
        import openvino

        if path.suffix == ".onnx":
            require_self_contained(path.read_bytes(), str(path))
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if self.precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._model = openvino.Core().compile_model(path, "CPU", settings)
        self._of_thread = threading.local()  # a request runs one batch at a time

    def _ports(self) -> tuple[Sequence[Port], Sequence[Port]]:
        return [_port(one) for one in self._model.inputs], [_port(one) for one in self._model.outputs]

    def _infer(self, pixels: np.ndarray, maps: bool) -> Outputs:
        try:
            request = self._of_thread.request
        except AttributeError:
            request = self._of_thread.request = self._model.create_infer_request()
        values = {output.get_any_name(): value for output, value in request.infer({"pixels": pixels}).items()}
        return Outputs(values["logits"], values.get("features"), values.get("maps") if maps else None)

    def _reason(self, error: Exception) -> str:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return lines[-1][:200] if lines else type(error).__name__


def _port(one: Any) -> Port:
    shape = tuple(side.get_length() if side.is_static else None for side in one.get_partial_shape())
    kind = one.get_element_type().to_string()
    return Port(one.get_any_name(), _KINDS.get(kind, kind), shape)
