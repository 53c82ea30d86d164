"""What all runtimes of exported graphs have in common: a graph is opened once, checked, and run on batches.

Whatever a library raises on a damaged graph becomes one sentence. A batch runs in slices whose layers stay near the
processor: with 32 images of 224 px at once EfficientNet-Lite0 was 1.2 to 1.4 times as slow as with two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from residerm.description import ModelDescription
from residerm.inference.runtimes import Classifier
from residerm.inference.validation import BundleError
from residerm.outputs import Outputs, concatenated
from residerm.parallel import cores

_PIXELS_AT_ONCE = 2**17  # for each thread: 32 images of 64 px, 8 of 128, 2 of 224


@dataclass(frozen=True)
class Port:
    """An input or an output of a graph; None stands for a side of any length."""

    name: str
    kind: str
    shape: tuple[int | None, ...]


class GraphRuntime(ABC):
    """A graph that is ready to run."""

    name: ClassVar[str]

    def __init__(
        self,
        path: Path,
        description: ModelDescription,
        *,
        precision: str = "float32",
        classifier: Classifier | None = None,
        threads: int | None = None,
    ) -> None:
        """Open the graph; refuse one that is damaged, or is not of the model that is described."""
        self.precision, self.classifier, self._path = precision, classifier, path
        threads = threads or cores()
        self._slice = max(1, threads * _PIXELS_AT_ONCE // description.pixels.size**2)
        try:
            self._open(path, threads)
        except BundleError:
            raise
        except Exception as error:  # the libraries have a class for each of a dozen reasons, and no common one
            raise BundleError(
                f"{path} is no graph that can be run ({self._reason(error)}); export the model again"
            ) from error
        if not _fits(description, *self._ports()):
            raise BundleError(f"{path} is the graph of another model than model.json describes; export the model again")

    def run(self, pixels: np.ndarray, maps: bool) -> Outputs:
        """The outputs of images (n, size, size, 3) uint8; the maps only if asked for."""
        slices = (pixels[start : start + self._slice] for start in range(0, len(pixels), self._slice))
        try:
            return concatenated([self._infer(np.ascontiguousarray(some), maps) for some in slices])
        except Exception as error:  # a damaged graph can fail in any of its operators
            raise BundleError(f"{self._path} cannot be run ({self._reason(error)}); export the model again") from error

    @abstractmethod
    def _open(self, path: Path, threads: int) -> None:
        """Read and prepare the graph."""

    @abstractmethod
    def _ports(self) -> tuple[Sequence[Port], Sequence[Port]]:
        """What the graph takes, and what it gives."""

    @abstractmethod
    def _infer(self, pixels: np.ndarray, maps: bool) -> Outputs:
        """The outputs of one slice."""

    @abstractmethod
    def _reason(self, error: Exception) -> str:
        """The line of the library's message that says what is wrong."""


def _fits(description: ModelDescription, taken: Sequence[Port], given: Sequence[Port]) -> bool:
    """Whether a graph takes and gives what the description says."""
    size, classes, features = description.pixels.size, len(description.classes), description.features
    expected = {"logits": Port("logits", "float32", (None, classes))}
    if features:
        expected["features"] = Port("features", "float32", (None, features))
    found = {port.name: port for port in given}
    maps = found.pop("maps", None)
    if (maps is not None) != description.maps or (maps and (maps.kind != "float32" or len(maps.shape) != 4)):
        return False
    return list(taken) == [Port("pixels", "uint8", (None, size, size, 3))] and found == expected
