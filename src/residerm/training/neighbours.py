"""The training images with which new images are compared: at most 500 of each class, without augmentation.

Their features are used to fit outlier scores (`trust`), and are stored in the bundle with their classes and ids;
thumbnails are only stored with `keep_thumbnails`, if the licence permits copies.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from residerm.config import NeighbourOptions
from residerm.data.dataset import Dataset
from residerm.errors import UsageError
from residerm.inference import Predictor
from residerm.inference.neighbours import TrainingImages
from residerm.outputs import Outputs, concatenated
from residerm.progress import SILENT, Progress
from residerm.report.licence import allows_copies

IMAGES_OF_CLASS = 500
_SIDE = 96  # pixels of a thumbnail, at most
_BATCH = 256


@dataclass(frozen=True, eq=False)
class Reference:
    """Rows of the training part, and the model's outputs for them."""

    rows: np.ndarray
    outputs: Outputs


def reference_of(predictor: Predictor, dataset: Dataset, progress: Progress = SILENT) -> Reference:
    """Some training images of each class, in their own order."""
    rows = evenly(dataset.training_rows, dataset.records.labels, len(predictor.description.classes))
    parts = [predictor.outputs(dataset.cache.pixels[:0])]
    for start in range(0, len(rows), _BATCH):
        some = rows[start : start + _BATCH]
        parts.append(predictor.outputs(dataset.cache.pixels[some]))
        progress.advance("reading features", start + len(some), len(rows))
    return Reference(rows, concatenated(parts[1:] or parts))


def evenly(rows: np.ndarray, labels: np.ndarray, classes: int, seed: int = 0) -> np.ndarray:
    """At most 500 of the rows of each class, drawn at random, in their own order."""
    generator = np.random.default_rng(seed)
    drawn = [generator.permutation(rows[labels[rows] == number])[:IMAGES_OF_CLASS] for number in range(classes)]
    return np.sort(np.concatenate(drawn))


def kept_images(reference: Reference, dataset: Dataset, options: NeighbourOptions) -> TrainingImages | None:
    """The training images to be stored in the bundle; None if the model has no features."""
    rows, features = reference.rows, reference.outputs.features
    if features is None or not len(rows):
        return None
    ids = [dataset.records.image_id(int(row)) for row in rows]
    thumbnails = [_thumbnail(dataset.cache.pixels[row]) for row in rows] if options.keep_thumbnails else None
    return TrainingImages.of(features, dataset.records.labels[rows], ids, thumbnails)


def require_licence(licence: str, options: NeighbourOptions) -> None:
    """Raise `UsageError` for `keep_thumbnails` if the licence is not known to permit copies."""
    if options.keep_thumbnails and not allows_copies(licence):
        raise UsageError(
            f"`keep_thumbnails`: the licence of the images ({licence}) is not known to permit copies, and a bundle may "
            "be shared; omit it: image ids are stored in any case"
        )


def _thumbnail(pixels: np.ndarray) -> bytes:
    """A thumbnail of an image as a JPEG file."""
    image, stream = Image.fromarray(np.asarray(pixels)), io.BytesIO()
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    image.save(stream, "JPEG", quality=80)
    return stream.getvalue()
