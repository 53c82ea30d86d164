"""ONNX Runtime on the CPU: it comes with residerm, needs no torch, and starts in a fraction of a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from residerm.inference.description import ModelDescription
from residerm.inference.graph import require_self_contained
from residerm.inference.runtimes import Classifier
from residerm.inference.validation import BundleError
from residerm.outputs import Outputs
from residerm.parallel import cores

_LARGEST = 2**31  # bytes: what a graph with all of its numbers inside can have
_ERRORS_ALONE = 3  # severity of what is logged


class OnnxRuntime:
    """A graph in ONNX Runtime."""

    name = "onnx"

    def __init__(
        self,
        path: Path,
        description: ModelDescription,
        *,
        precision: str = "float32",
        classifier: Classifier | None = None,
        threads: int | None = None,
    ) -> None:
        """Read the graph; refuse one that asks for other files, or is not of the model that is described."""
        self.precision, self.classifier, self._path = precision, classifier, path
        graph = _read(path)
        require_self_contained(graph, str(path))
        self._session = _session(graph, path, threads or cores())
        outputs = [output.name for output in self._session.get_outputs()]
        _require_fit(self._session, path, description)
        self._wanted = {False: [name for name in outputs if name != "maps"], True: outputs}

    def run(self, pixels: np.ndarray, maps: bool) -> Outputs:
        """The outputs of images (n, size, size, 3) uint8; the maps only if asked for."""
        names = self._wanted[maps]
        try:
            values = self._session.run(names, {"pixels": np.ascontiguousarray(pixels)})
        except Exception as error:  # a damaged graph can fail in any of its operators
            raise BundleError(f"{self._path} cannot be run ({_reason(error)}); export the model again") from error
        return Outputs(**dict(zip(names, values, strict=True)))


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise BundleError(f"{path} is missing, or is not a regular file; the bundle is damaged")
    if path.stat().st_size > _LARGEST:
        raise BundleError(f"{path} is larger than a graph can be; the bundle is damaged")
    return path.read_bytes()


def _session(graph: bytes, path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, _ERRORS_ALONE
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a class for each of a dozen reasons, and no common one
        raise BundleError(f"{path} is no graph that can be run ({_reason(error)}); export the model again") from error


def _require_fit(session: Any, path: Path, description: ModelDescription) -> None:
    """Refuse a graph that takes or gives something else than the description says."""
    size, classes, features = description.pixels.size, len(description.classes), description.features
    taken = [(one.name, one.type, one.shape[1:]) for one in session.get_inputs()]
    given = {one.name: one.shape for one in session.get_outputs()}
    expected = {"logits": [classes], "features": [features]} if features else {"logits": [classes]}
    fits = taken == [("pixels", "tensor(uint8)", [size, size, 3])] and ("maps" in given) == description.maps
    if not fits or any(given.get(name, [0])[1:] != shape for name, shape in expected.items()):
        raise BundleError(f"{path} is the graph of another model than model.json describes; export the model again")


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
