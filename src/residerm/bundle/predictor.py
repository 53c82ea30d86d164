"""Images → probabilities, with the preprocessing that the model's description names.

    predictor = load("runs/20260101-120000-resnet50-ham10000-64px-s0")
    probabilities = predictor.predict([Path("lesion.jpg").read_bytes()])

The result for an image does not depend on its batch. Not a medical device and not a diagnosis.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from residerm import preprocess
from residerm.bundle.description import ModelDescription
from residerm.bundle.store import read_bundle

if TYPE_CHECKING:
    from residerm.models.model import Model


class Predictor:
    """A model that is ready to be used."""

    def __init__(self, model: Model, description: ModelDescription, device: str | None = None) -> None:
        """Take a model as `read_bundle` gives it; a CUDA device is used where there is one."""
        import torch

        self.description = description
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._model = model.to(self._device).to(memory_format=torch.channels_last).eval()

    def predict(self, images: Sequence[bytes], batch_size: int = 64) -> np.ndarray:
        """Probabilities of image files, in the order of the description's classes."""  # (n, classes) float32
        spec = self.description.pixels
        batches = [
            self.predict_pixels(
                np.stack([preprocess.read(image, spec) for image in images[start : start + batch_size]])
            )
            for start in range(0, len(images), batch_size)
        ]
        return np.concatenate(batches) if batches else np.zeros((0, len(self.description.classes)), np.float32)

    def predict_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Probabilities of images that `preprocess.read` has read."""  # (n, size, size, 3) uint8 → (n, classes)
        import torch

        with torch.inference_mode():
            batch = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2)
            probabilities: np.ndarray = self._model(batch).float().softmax(1).cpu().numpy()
        return probabilities


def load(path: str | Path, device: str | None = None) -> Predictor:
    """The predictor of a run or a bundle."""
    return Predictor(*read_bundle(Path(path)), device)
