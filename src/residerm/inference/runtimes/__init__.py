"""What runs a network: pixels in, logits, features and maps out, with whichever library is installed.

A runtime sees a batch of pixels as it is. Views, batches and the checks of what is given are the Predictor's, so that
they are the same for all runtimes.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from residerm.outputs import Outputs

Classifier = tuple[np.ndarray, np.ndarray]  # weight (classes, d), bias (classes,)


class Runtime(Protocol):
    """A network that is ready to run."""

    @property
    def name(self) -> str:
        """The library that runs it."""

    @property
    def precision(self) -> str:
        """The precision of its arithmetic."""

    @property
    def classifier(self) -> Classifier | None:
        """The linear layer behind the mean of the maps; None where there is none."""

    def run(self, pixels: np.ndarray, maps: bool) -> Outputs:
        """The outputs of images (n, size, size, 3) uint8; the maps only if asked for."""
