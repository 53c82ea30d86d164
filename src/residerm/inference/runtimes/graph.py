"""The base class of the runtimes of exported graphs: it opens a graph, checks it, and runs it on batches.

Any exception of a library for a damaged graph is converted to a `BundleError` of one sentence. Batches run in slices
whose activations fit in the processor's caches: EfficientNet-Lite0 was 1.2 to 1.4 times as slow with 32 images of
224 px at once as with two.

A few images share all threads, which synchronise at every layer. In larger batches, each thread runs its own slices:
this is as fast on an idle machine, and faster if another process, or decoding of the next images, occupies a core that
all threads would wait for (measurements in dev/LOG.md). The same holds for several callers, each of which then uses its
own thread (`alone=False`). Both require the graph to be opened a second time.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import numpy as np

from residerm.description import ModelDescription
from residerm.inference.runtimes import Classifier
from residerm.inference.validation import BundleError
from residerm.outputs import Outputs, concatenated
from residerm.parallel import cores

_PIXELS_AT_ONCE = 2**17  # for each thread: 32 images of 64 px, 8 of 128, 2 of 224
_FEW = 2  # images for each thread, below which all threads share them

Opened = TypeVar("Opened")


@dataclass(frozen=True)
class Port:
    """An input or an output of a graph; None is a dimension of any length."""

    name: str
    kind: str
    shape: tuple[int | None, ...]


class GraphRuntime(ABC, Generic[Opened]):
    """A graph that is ready to run; `Opened` is the session object of the library."""

    name: ClassVar[str]
    side_by_side: ClassVar[bool] = True  # whether several threads may each run slices of a batch

    def __init__(
        self,
        path: Path,
        description: ModelDescription,
        *,
        precision: str = "float32",
        classifier: Classifier | None = None,
        threads: int | None = None,
    ) -> None:
        """Open a graph; an error if it is damaged or does not match the description."""
        self.precision, self.classifier, self._path = precision, classifier, path
        self.threads = threads or cores()
        self._slice = max(1, _PIXELS_AT_ONCE // description.pixels.size**2)
        self._shared, self._opening = self._opened(1), threading.Lock()
        if not _fits(description, *self._ports(self._shared)):
            raise BundleError(f"{path} is the graph of another model than model.json describes; export the model again")

    def run(self, pixels: np.ndarray, maps: bool, alone: bool = True) -> Outputs:
        """The outputs of images (n, size, size, 3) uint8; the maps only if asked for."""
        try:
            if self.threads == 1 or not self.side_by_side:
                return self._one_by_one(self._shared, pixels, self._slice * self.threads, maps)
            if not alone:
                return self._one_by_one(self._opened_for_threads(), pixels, self._slice, maps)
            if len(pixels) < _FEW * self.threads:
                return self._one_by_one(self._shared, pixels, self._slice * self.threads, maps)
            rounds = -(-len(pixels) // (self._slice * self.threads))
            return self._side_by_side(np.array_split(pixels, rounds * self.threads), maps)
        except BundleError:
            raise
        except Exception as error:  # a damaged graph can fail in any of its operators
            raise BundleError(f"{self._path} cannot be run ({self._reason(error)}); export the model again") from error

    def _one_by_one(self, opened: Opened, pixels: np.ndarray, at_once: int, maps: bool) -> Outputs:
        slices = np.array_split(pixels, -(-len(pixels) // at_once))
        return concatenated([self._infer(opened, some, maps) for some in slices])

    def _side_by_side(self, slices: Sequence[np.ndarray], maps: bool) -> Outputs:
        """The outputs of slices, each of which has a thread for itself."""
        opened = self._opened_for_threads()
        return concatenated(list(self._pool.map(lambda some: self._infer(opened, some, maps), slices)))

    def _opened_for_threads(self) -> Opened:
        with self._opening:
            return self._of_threads

    @cached_property
    def _of_threads(self) -> Opened:
        """The graph, for as many callers at a time as there are threads."""
        return self._opened(self.threads)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, thread_name_prefix=self.name)

    def _opened(self, callers: int) -> Opened:
        try:
            return self._open(self._path, self.threads, callers)
        except BundleError:
            raise
        except Exception as error:  # the libraries raise many classes of exceptions without a common base
            raise BundleError(
                f"{self._path} cannot be opened as a graph ({self._reason(error)}); export the model again"
            ) from error

    @abstractmethod
    def _open(self, path: Path, threads: int, callers: int) -> Opened:
        """Read and prepare the graph for one caller with all threads, or for several callers that share them."""

    @abstractmethod
    def _ports(self, opened: Opened) -> tuple[Sequence[Port], Sequence[Port]]:
        """The inputs and outputs of the graph."""

    @abstractmethod
    def _infer(self, opened: Opened, pixels: np.ndarray, maps: bool) -> Outputs:
        """Compute the outputs of one slice."""

    @abstractmethod
    def _reason(self, error: Exception) -> str:
        """The relevant line of the library's error message."""


def _fits(description: ModelDescription, taken: Sequence[Port], given: Sequence[Port]) -> bool:
    """Whether the inputs and outputs of a graph match the description."""
    size, classes, features = description.pixels.size, len(description.classes), description.features
    expected = {"logits": Port("logits", "float32", (None, classes))}
    if features:
        expected["features"] = Port("features", "float32", (None, features))
    found = {port.name: port for port in given}
    maps = found.pop("maps", None)
    if (maps is not None) != description.maps or (maps and (maps.kind != "float32" or len(maps.shape) != 4)):
        return False
    return list(taken) == [Port("pixels", "uint8", (None, size, size, 3))] and found == expected
