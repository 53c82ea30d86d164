"""The runtimes, which run a network on pixels and return logits, features and maps.

Views, batches and the checks of arguments are handled by the Predictor, so that they are the same for all runtimes.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from residerm.outputs import Outputs

Classifier = tuple[np.ndarray, np.ndarray]  # weight (classes, d), bias (classes,)


class Runtime(Protocol):
    """The interface of a runtime with a loaded network."""

    @property
    def name(self) -> str:
        """The library that runs it."""

    @property
    def precision(self) -> str:
        """The precision of its arithmetic."""

    @property
    def threads(self) -> int:
        """The number of threads that it uses."""

    @property
    def classifier(self) -> Classifier | None:
        """The linear layer after global average pooling; None if there is none."""

    def run(self, pixels: np.ndarray, maps: bool, alone: bool = True) -> Outputs:
        """The outputs of images (n, size, size, 3) uint8; the maps only if asked for.

        Unless it is `alone`, other threads are expected to call it at the same time, each on a core of its own.
        """
