"""Run a model on images, with the preprocessing in its description, on any runtime.

    predictor = load("runs/20260101-120000-resnet50-ham10000-64px-s0")
    probabilities = predictor.predict(["lesion.jpg"])
    outputs = predictor.outputs(pixels, views=8)          logits, features; with maps=True also maps

The result for an image does not depend on its batch, up to 1e-5 in float32. bf16, which is faster, rounds each image
separately; the probabilities of a ResNet-50 were within 0.01 of those in float32 (benchmarks/prediction.py). With 8
views, probabilities are averaged over flips and rotations by 90 degrees. Not a medical device and not a diagnosis.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from residerm import imaging
from residerm.description import ModelDescription
from residerm.errors import ImageError, UsageError, system_reason
from residerm.inference.runtimes import Classifier, Runtime
from residerm.inference.validation import BundleError, require_finite
from residerm.outputs import Outputs, Views, averaged, concatenated, view
from residerm.trust import Trust

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Picture", "Predictor", "Views", "read_pixels"]

Picture: TypeAlias = "bytes | str | Path | Image | np.ndarray"

_BATCH = 64
_IN_PNG = ("1", "L", "LA", "I;16", "P", "RGB", "RGBA")  # modes that PNG preserves


class Predictor:
    """A loaded model."""

    def __init__(self, description: ModelDescription, runtime: Runtime, trust: Trust | None = None) -> None:
        self.description = description
        self.trust = trust  # None if it was not fitted
        self._runtime = runtime

    @property
    def runtime(self) -> str:
        """The library that runs the network."""
        return self._runtime.name

    @property
    def precision(self) -> str:
        """The precision of its arithmetic."""
        return self._runtime.precision

    @property
    def threads(self) -> int:
        """The number of threads that the library uses."""
        return self._runtime.threads

    @property
    def classifier(self) -> Classifier | None:
        """Weight (classes, d) and bias (classes,) of the linear layer after global average pooling, or None."""
        return self._runtime.classifier

    def outputs(
        self,
        pixels: np.ndarray,
        views: Views = 1,
        maps: bool = False,
        batch_size: int = _BATCH,
        *,
        alone: bool = True,
    ) -> Outputs:
        """Logits, features and, if asked for, maps of images (n, size, size, 3) uint8, as `imaging.read` gives them.

        Any number of threads may call it. If one thread per core does so all the time, `alone=False` is faster: each
        call then runs on the core of its thread, if the runtime can do this.
        """
        self._require(pixels)
        if not len(pixels):
            return Outputs(np.zeros((0, len(self.description.classes)), np.float32))
        batches = (pixels[start : start + batch_size] for start in range(0, len(pixels), batch_size))
        return concatenated([self._run(some, views, maps, alone) for some in batches])

    def predict(self, images: Sequence[Picture], views: Views = 1, batch_size: int = _BATCH) -> np.ndarray:
        """Probabilities (n, classes), before calibration, of paths, bytes of image files, PIL images or arrays of RGB.

        `residerm.predict` calibrates them, as does `trust.judge` for `outputs`.
        """
        batches = [
            self.outputs(np.stack([self.pixels(image) for image in images[start : start + batch_size]]), views)
            for start in range(0, len(images), batch_size)
        ]
        if not batches:
            return np.zeros((0, len(self.description.classes)), np.float32)
        return concatenated(batches).probabilities

    def pixels(self, image: Picture) -> np.ndarray:
        """Decode and resize an image to the pixels that the network takes, (size, size, 3) uint8."""
        return read_pixels(image, self.description)

    def _run(self, pixels: np.ndarray, views: Views, maps: bool, alone: bool) -> Outputs:
        outputs = averaged([self._runtime.run(view(pixels, number), maps, alone) for number in range(views)])
        shape = (len(pixels), len(self.description.classes))
        if outputs.logits.shape != shape:
            raise BundleError(f"{self.description.model} returned logits of shape {outputs.logits.shape}, not {shape}")
        require_finite(outputs.logits, self.description.model)
        return outputs

    def _require(self, pixels: np.ndarray) -> None:
        size = self.description.pixels.size
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (size, size, 3):
            found = f"{pixels.dtype} of shape {pixels.shape}"
            raise UsageError(f"pixels: {found} are not images (n, {size}, {size}, 3) of uint8; use `pixels(image)`")


def read_pixels(image: Picture, description: ModelDescription) -> np.ndarray:
    """Decode and resize an image to the pixels that a model takes, (size, size, 3) uint8."""
    return imaging.read(_bytes(image), description.pixels)


def _bytes(image: Picture) -> bytes:
    """The bytes of an image file; pixels are encoded without loss."""
    from PIL import Image

    if isinstance(image, bytes):
        return image
    if isinstance(image, str | Path):
        try:
            return Path(image).read_bytes()
        except OSError as error:
            raise ImageError(f"{image}: {system_reason(error)}") from error
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ImageError(
                f"an array of {image.dtype} and shape {image.shape} is not an RGB image (h, w, 3) of uint8"
            )
        image = Image.fromarray(image)
    stream = io.BytesIO()
    image = image.convert("RGB") if image.mode not in _IN_PNG else image
    image.save(stream, "PNG", compress_level=0)
    return stream.getvalue()
