"""Images → probabilities, with the preprocessing that the model's description names.

    predictor = load("runs/20260101-120000-resnet50-ham10000-64px-s0")
    probabilities = predictor.predict([Path("lesion.jpg").read_bytes()])

The result for an image does not depend on its batch: to 1e-5 in float32; bf16, which is faster, rounds each image by
itself, and a ResNet-50's probabilities were within 0.01 of those in float32 (benchmarks/prediction.py). With `views`,
probabilities are the mean over the image turned by quarters and mirrored, which lesions have no preference for. Not a
medical device and not a diagnosis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from residerm import imaging
from residerm.inference.bundle import read_bundle
from residerm.inference.description import ModelDescription
from residerm.inference.validation import require_finite

if TYPE_CHECKING:
    from torch import Tensor, nn

    from residerm.models.model import Model

Precision = Literal["auto", "float32", "bf16"]
Views = Literal[1, 8]


class Predictor:
    """A model that is ready to be used."""

    def __init__(
        self, model: Model, description: ModelDescription, device: str | None = None, precision: Precision = "float32"
    ) -> None:
        """Take a model as `read_bundle` gives it; a CUDA device is used where there is one."""
        import torch

        from residerm.inference.precision import choose_precision

        self.description = description
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.precision = choose_precision(precision, self._device.type)
        model.network = _folded(model.network.eval())
        self._model = model.to(self._device).to(memory_format=torch.channels_last).eval()

    def predict(self, images: Sequence[bytes], batch_size: int = 64) -> np.ndarray:
        """Probabilities of image files, in the order of the description's classes."""  # (n, classes) float32
        spec = self.description.pixels
        batches = [
            self.predict_pixels(np.stack([imaging.read(image, spec) for image in images[start : start + batch_size]]))
            for start in range(0, len(images), batch_size)
        ]
        return np.concatenate(batches) if batches else np.zeros((0, len(self.description.classes)), np.float32)

    def predict_pixels(self, pixels: np.ndarray, views: Views = 1) -> np.ndarray:
        """Probabilities of images that `imaging.read` has read."""  # (n, size, size, 3) uint8 → (n, classes)
        import torch

        low = torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with torch.inference_mode(), low:
            batch = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2)
            seen = [self._model(view).float().softmax(1) for view in _views(batch, views)]
            probabilities: np.ndarray = torch.stack(seen).mean(0).cpu().numpy()
        require_finite(probabilities, self.description.model)
        return probabilities


def load(path: str | Path, device: str | None = None, precision: Precision = "float32") -> Predictor:
    """The predictor of a run or a bundle."""
    return Predictor(*read_bundle(Path(path)), device, precision)


def _folded(network: nn.Module) -> nn.Module:
    """The network with its normalisations inside the convolutions before them, which is a sixth faster."""
    from torch.fx.experimental.optimization import fuse

    try:
        folded: nn.Module = fuse(network)
    except Exception:  # networks have no common way to say that they cannot be traced
        return network
    return folded


def _views(batch: Tensor, views: Views) -> Iterator[Tensor]:
    """The images as they are; of eight views also their quarter turns, and the mirror images of all four."""
    import torch

    if views == 1:
        yield batch
        return
    for image in (batch, batch.flip(3)):
        for quarters in range(4):
            yield torch.rot90(image, quarters, (2, 3)).contiguous(memory_format=torch.channels_last)
