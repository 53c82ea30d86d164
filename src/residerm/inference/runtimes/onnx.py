"""The runtime for ONNX graphs on the CPU: always installed, without torch, and ready in a fraction of a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from residerm.inference.graph import require_sound_graph
from residerm.inference.runtimes.graph import GraphRuntime, Port
from residerm.inference.validation import BundleError
from residerm.outputs import Outputs

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_LARGEST = 2**31  # bytes of a graph with embedded weights: the limit of protobuf
_ERRORS_ALONE = 3  # minimum severity of log messages
# Threads that spin between two runs would occupy the cores that decode the next images.
_NO_SPINNING = ("session.force_spinning_stop", "1")
_KINDS = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}


class OnnxRuntime(GraphRuntime["InferenceSession"]):
    """A graph in ONNX Runtime."""

    name = "onnx"

    def _open(self, path: Path, threads: int, callers: int) -> InferenceSession:
        graph = _read(path)
        require_sound_graph(graph, str(path))
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads // callers, _ERRORS_ALONE
        options.add_session_config_entry(*_NO_SPINNING)
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def _ports(self, opened: InferenceSession) -> tuple[Sequence[Port], Sequence[Port]]:
        return [_port(one) for one in opened.get_inputs()], [_port(one) for one in opened.get_outputs()]

    def _infer(self, opened: InferenceSession, pixels: np.ndarray, maps: bool) -> Outputs:
        names = [output.name for output in opened.get_outputs() if maps or output.name != "maps"]
        found = opened.run(names, {"pixels": np.ascontiguousarray(pixels)})
        return Outputs(**dict(zip(names, found, strict=True)))

    def _reason(self, error: Exception) -> str:
        return str(error).partition("\n")[0][:200]


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise BundleError(f"{path} is missing, or is not a regular file; the bundle is damaged")
    if path.stat().st_size > _LARGEST:
        raise BundleError(f"{path} is larger than the 2 GiB of a graph; the bundle is damaged")
    return path.read_bytes()


def _port(one: Any) -> Port:
    shape = tuple(side if isinstance(side, int) else None for side in one.shape)
    return Port(one.name, _KINDS.get(one.type, one.type), shape)
