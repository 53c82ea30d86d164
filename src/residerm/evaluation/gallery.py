"""Some images to look at: the worst errors, and for each class one that was right, as small pictures in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from residerm import imaging
from residerm.config import PixelSpec
from residerm.documents import write_list
from residerm.errors import ImageError
from residerm.evaluation.predictions import Predictions
from residerm.runs import GalleryImage

_ERRORS = 12
_SPEC = PixelSpec(size=176, aspect="crop")


def write_gallery(predictions: Predictions, folder: Path) -> None:
    """Write the pictures into `gallery`, and what they show as gallery.json."""
    (folder / "gallery").mkdir()
    errors, right = _worst_errors(predictions), _surest_right(predictions)
    chosen = [
        *((place, _shown(predictions, place, "error", number)) for number, place in enumerate(errors, 1)),
        *((place, _shown(predictions, place, "right", number)) for number, place in enumerate(right, 1)),
    ]
    kept = [image for place, image in chosen if _write_picture(predictions, place, folder / image.file)]
    write_list(kept, folder / "gallery.json")


def _worst_errors(predictions: Predictions) -> list[int]:
    """The errors in which the right class had the least probability, one of each lesion."""
    wrong = np.flatnonzero(predictions.predicted != predictions.labels)
    of_label = predictions.probabilities[wrong, predictions.labels[wrong]]
    return _one_of_each_lesion(predictions, wrong[np.argsort(of_label, kind="stable")])[:_ERRORS]


def _surest_right(predictions: Predictions) -> list[int]:
    """For each class the right answer that had the most probability."""
    right = predictions.predicted == predictions.labels
    places = []
    for label in range(len(predictions.classes)):
        own = np.flatnonzero(right & (predictions.labels == label))
        if len(own):
            places.append(int(own[predictions.probabilities[own, label].argmax()]))
    return places


def _one_of_each_lesion(predictions: Predictions, places: np.ndarray) -> list[int]:
    _, first = np.unique(predictions.groups[places], return_index=True)
    return [int(places[position]) for position in np.sort(first)]


def _shown(predictions: Predictions, place: int, kind: Literal["error", "right"], number: int) -> GalleryImage:
    label, predicted = int(predictions.labels[place]), int(predictions.predicted[place])
    return GalleryImage(
        image_id=predictions.records.image_id(int(predictions.rows[place])),
        file=f"gallery/{kind}-{number:02d}.jpg",
        label=predictions.classes[label],
        predicted=predictions.classes[predicted],
        confidence=float(predictions.probabilities[place, predicted]),
        probability_of_label=float(predictions.probabilities[place, label]),
        kind=kind,
    )


def _write_picture(predictions: Predictions, place: int, path: Path) -> bool:
    try:
        pixels = imaging.read(predictions.records.read(int(predictions.rows[place])), _SPEC)
    except ImageError:
        return False
    Image.fromarray(pixels).save(path, quality=85)
    return True
