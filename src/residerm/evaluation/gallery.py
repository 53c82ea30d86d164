"""The gallery of an evaluation: the most confident errors, and one correct image of each class, as small pictures.

Each has a second picture with the evidence for the predicted class, by the model's default explanation method.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from residerm import imaging
from residerm.documents import write_list
from residerm.errors import ImageError
from residerm.evaluation.predictions import Predictions
from residerm.explanation.colours import overlaid
from residerm.explanation.evidence import Evidence, resized
from residerm.explanation.methods import METHODS, ExplainedModel, compute_evidence, default_method
from residerm.explanation.target import for_class
from residerm.runs import GalleryImage

_ERRORS = 12
_SIDE = 320  # pixels


def write_gallery(predictions: Predictions, folder: Path, model: ExplainedModel) -> None:
    """Write the pictures to `gallery/`, and gallery.json."""
    (folder / "gallery").mkdir()
    errors, right = _confident_errors(predictions), _most_probable(predictions)
    chosen = [
        *((place, _shown(predictions, place, "error", number)) for number, place in enumerate(errors, 1)),
        *((place, _shown(predictions, place, "right", number)) for number, place in enumerate(right, 1)),
    ]
    written = [
        (place, image, _write_picture(predictions, place, folder / image.file, model)) for place, image in chosen
    ]
    kept = [(place, image, pixels) for place, image, pixels in written if pixels is not None]
    maps = _evidence(predictions, [place for place, *_ in kept], model)
    shown = [
        _with_overlay(image, pixels, evidence, folder) for (_, image, pixels), evidence in zip(kept, maps, strict=True)
    ]
    write_list(shown, folder / "gallery.json")


def _confident_errors(predictions: Predictions) -> list[int]:
    """The most confident errors, one per lesion."""
    wrong = np.flatnonzero(predictions.predicted != predictions.labels)
    confidence = predictions.probabilities[wrong, predictions.predicted[wrong]]
    return _one_of_each_lesion(predictions, wrong[np.argsort(-confidence, kind="stable")])[:_ERRORS]


def _most_probable(predictions: Predictions) -> list[int]:
    """The correct image with the highest probability, for each class."""
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


def _write_picture(predictions: Predictions, place: int, path: Path, model: ExplainedModel) -> np.ndarray | None:
    """Write the picture, cropped as the model sees it, and return it; None if its file cannot be read."""
    spec = model.predictor.description.pixels.model_copy(update={"size": _SIDE})
    try:
        pixels = imaging.read(predictions.records.read(int(predictions.rows[place])), spec)
    except ImageError:
        return None
    Image.fromarray(pixels).save(path, quality=85)
    return pixels


def _evidence(predictions: Predictions, places: list[int], model: ExplainedModel) -> list[Evidence | None]:
    """The evidence for the predicted class of each image; None if it is not a class of the model itself."""
    predictor = model.predictor
    if not places or predictions.classes != predictor.description.classes:
        return [None] * len(places)
    spec, rows = predictor.description.pixels, predictions.rows[places]
    pixels = np.stack([imaging.read(predictions.records.read(int(row)), spec) for row in rows])
    outputs = predictor.outputs(pixels, maps=True)
    weights = for_class(len(predictions.classes), predictions.predicted[places])
    found = compute_evidence(model, pixels, outputs, weights, *default_method(model, outputs))
    return [Evidence(found.maps[number : number + 1], found.method, found.stage) for number in range(len(places))]


def _with_overlay(image: GalleryImage, pixels: np.ndarray, evidence: Evidence | None, folder: Path) -> GalleryImage:
    if evidence is None:
        return image
    name = image.file.replace(".jpg", "-evidence.jpg")
    shown = overlaid(pixels, resized(evidence.maps, len(pixels))[0], METHODS[evidence.method].full)
    Image.fromarray(shown).save(folder / name, quality=85)
    return image.model_copy(update={"overlay": name})
