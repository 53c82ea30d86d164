"""The training images that a bundle stores for comparison with new ones: `neighbours.npz`.

    known = read_neighbours(path)
    for neighbour in known.nearest(outputs.features, 5)[0]:
        print(neighbour.image_id, known.classes[neighbour.label], neighbour.similarity)

    features      (n, d) float16     features, normalised to length 1
    labels        (n,) int32         class indices
    image_ids     (n,) text
    thumbnails    (bytes,) uint8     concatenated JPEG files, only with `keep_thumbnails`
    ends          (n,) int64         where each JPEG file ends

Similarity is the cosine of the angle between the features of two images: 1 for the same image. Images that are similar
to the network need not show the same disease. Needs only NumPy; the content of the file is not trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from residerm import imaging
from residerm.arrays import read_arrays, require_finite_arrays
from residerm.description import ModelDescription
from residerm.errors import ImageError, printable, system_reason
from residerm.inference.validation import BundleError

MOST_IMAGES = 20_000
MOST_BYTES = 2**28
_LONGEST_ID = 1000  # characters
_LARGEST_THUMBNAIL = 2**16  # bytes
_MOST_PIXELS = 2**18  # of a thumbnail
_BLOCK = 256  # images compared at a time


@dataclass(frozen=True)
class Neighbour:
    """A training image, and its similarity."""

    image_id: str
    label: int
    similarity: float  # 1: the same direction in feature space
    picture: np.ndarray | None = None  # (h, w, 3) uint8


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """Features, labels and ids of training images, and optionally thumbnails."""

    directions: np.ndarray  # (n, d) float16
    labels: np.ndarray  # (n,)
    image_ids: np.ndarray  # (n,) text
    thumbnails: tuple[bytes, ...] | None = None

    @classmethod
    def of(
        cls,
        features: np.ndarray,
        labels: np.ndarray,
        image_ids: Sequence[str],
        thumbnails: Sequence[bytes] | None = None,
    ) -> TrainingImages:
        """Create from features; if there are more than `MOST_IMAGES` images, evenly spaced ones are kept."""
        rows = np.linspace(0, len(features) - 1, min(len(features), MOST_IMAGES)).astype(int)
        return cls(
            _directions(features[rows]).astype(np.float16),
            np.asarray(labels)[rows].astype(np.int32),
            np.array([printable(image_ids[row])[:_LONGEST_ID] for row in rows]),
            None if thumbnails is None else tuple(thumbnails[row] for row in rows),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def nearest(self, features: np.ndarray, count: int) -> list[tuple[Neighbour, ...]]:
        """The `count` most similar training images for each row of `features` (n, d), the most similar first."""
        return [
            tuple(self._neighbour(int(row), float(near[row])) for row in np.argsort(-near, kind="stable")[:count])
            for near in self._similarities(features)
        ]

    def write(self, path: Path) -> None:
        """Write `neighbours.npz`."""
        arrays = {"features": self.directions, "labels": self.labels, "image_ids": self.image_ids}
        if self.thumbnails is not None:
            arrays["thumbnails"] = np.frombuffer(b"".join(self.thumbnails), np.uint8)
            arrays["ends"] = np.cumsum([len(one) for one in self.thumbnails], dtype=np.int64)
        with path.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)

    @classmethod
    def read(cls, path: Path, description: ModelDescription) -> TrainingImages:
        """Read a file; an error if it is damaged, too large or of another model."""
        try:
            arrays = read_arrays(path, MOST_BYTES)
            require_finite_arrays(arrays)
            return _sound(arrays, description)
        except OSError as error:
            raise BundleError(f"{path} cannot be read: {system_reason(error)}") from error
        except (ValueError, KeyError) as error:
            raise BundleError(
                f"{path} is damaged or of another model ({error}); the model works without it: remove it"
            ) from error

    def _similarities(self, features: np.ndarray) -> np.ndarray:
        """Cosines (n, images), computed in blocks so that only one block is float32 at a time."""
        own = _directions(features).astype(np.float32)
        starts = range(0, len(self), _BLOCK)
        blocks = [own @ self.directions[start : start + _BLOCK].astype(np.float32).T for start in starts]
        return np.concatenate(blocks, axis=1)

    def _neighbour(self, row: int, similarity: float) -> Neighbour:
        picture = np.asarray(_decoded(self.thumbnails[row])) if self.thumbnails else None
        return Neighbour(str(self.image_ids[row]), int(self.labels[row]), min(similarity, 1.0), picture)


def _sound(arrays: dict[str, np.ndarray], description: ModelDescription) -> TrainingImages:
    """Validate the arrays against each other and the model."""
    features, labels, image_ids = arrays["features"], arrays["labels"], arrays["image_ids"]
    images = len(labels) if labels.ndim == 1 else 0
    if not 0 < images <= MOST_IMAGES or labels.dtype.kind != "i":
        raise ValueError("labels are not those of images")
    if features.shape != (images, description.features) or features.dtype != np.float16:
        raise ValueError(f"features are not {description.features} of each image")
    if labels.min() < 0 or labels.max() >= len(description.classes):
        raise ValueError("labels are of other classes")
    if image_ids.shape != (images,) or image_ids.dtype.kind != "U" or image_ids.dtype.itemsize > 4 * _LONGEST_ID:
        raise ValueError("image_ids are not a text for each image")
    names = np.array([printable(str(name)) for name in image_ids])
    return TrainingImages(features, labels, names, _sound_thumbnails(arrays, images))


def _sound_thumbnails(arrays: dict[str, np.ndarray], images: int) -> tuple[bytes, ...] | None:
    if "thumbnails" not in arrays:
        return None
    content, ends = arrays["thumbnails"], arrays["ends"]
    if content.ndim != 1 or content.dtype != np.uint8 or ends.shape != (images,) or ends.dtype != np.int64:
        raise ValueError("thumbnails are not the bytes of files")
    sizes = np.diff(ends, prepend=0)
    if sizes.min() < 0 or sizes.max() > _LARGEST_THUMBNAIL or ends[-1] != len(content):
        raise ValueError("thumbnails are not a small file for each image")
    whole = content.tobytes()
    return tuple(whole[end - size : end] for size, end in zip(sizes.tolist(), ends.tolist(), strict=True))


def _decoded(thumbnail: bytes) -> Image.Image:
    try:
        return imaging.decode(thumbnail, most_pixels=_MOST_PIXELS)
    except ImageError as error:
        raise BundleError(f"a thumbnail of the bundle's training images is damaged: {error}") from error


def _directions(features: np.ndarray) -> np.ndarray:
    """Features, normalised to length 1."""
    known = features.astype(np.float64)
    lengths = np.linalg.norm(known, axis=1, keepdims=True)
    directions: np.ndarray = known / np.maximum(lengths, np.finfo(np.float64).tiny)
    return directions
