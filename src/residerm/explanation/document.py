"""Write explanations: a picture for each image, and `explanations.json` with all numbers.

    write_explanations(explain(model, images), description, Path("explanations"))

The new folder is written completely or not at all. Pictures are named after their images, with a number if two images
have the same name.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Literal

from residerm.config import Method
from residerm.config.base import Options
from residerm.disclaimer import DISCLAIMER
from residerm.explanation.explain import Explanation
from residerm.explanation.methods import METHODS
from residerm.explanation.picture import draw_explanation
from residerm.files import new_folder
from residerm.inference import ModelDescription

FILE = "explanations.json"


class NearTrainingImage(Options):
    """A training image with similar features; `similarity` is the cosine between them."""

    image: str
    label: str
    similarity: float


class ExplainedImage(Options):
    """One image: its prediction, and the map of evidence, in logits, from the top left."""

    image: str
    picture: str
    predicted: str
    probabilities: dict[str, float]
    prediction_set: tuple[str, ...] | None
    remarks: tuple[str, ...]
    explained: str
    against: str
    method: Method
    stage: str
    value: float
    map: list[list[float]]
    neighbours: tuple[NearTrainingImage, ...] = ()


class FailedImage(Options):
    """One image that could not be explained."""

    image: str
    error: str


class ExplanationDocument(Options):
    """`explanations.json`."""

    format: Literal[1] = 1
    notice: str = DISCLAIMER
    model: str
    trained_on: str
    synthetic: bool
    full_colour: dict[Method, float]
    images: tuple[ExplainedImage | FailedImage, ...]


def write_explanations(
    explanations: Iterable[Explanation], description: ModelDescription, folder: Path
) -> ExplanationDocument:
    """Draw explanations and write them to a new folder."""
    entries: list[ExplainedImage | FailedImage] = []
    with new_folder(folder) as partial:
        taken: set[str] = set()
        for one in explanations:
            picture = _free_name(one.name, taken)
            if not one.error:
                draw_explanation(one, description.classes).save(partial / picture)
            entries.append(_entry(one, description, picture))
        document = ExplanationDocument(
            model=description.model,
            trained_on=description.archive,
            synthetic=description.synthetic,
            full_colour={name: way.full for name, way in METHODS.items()},
            images=tuple(entries),
        )
        (partial / FILE).write_text(document.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return document


def _entry(one: Explanation, description: ModelDescription, picture: str) -> ExplainedImage | FailedImage:
    if one.error:
        return FailedImage(image=one.name, error=one.error)
    return ExplainedImage(
        image=one.name,
        picture=picture,
        predicted=one.predicted,
        probabilities=dict(zip(description.classes, one.probabilities, strict=True)),
        prediction_set=one.prediction_set,
        remarks=one.remarks,
        explained=one.explained,
        against=one.against,
        method=one.method,
        stage=one.stage,
        value=round(one.value, 4),
        map=[[round(value, 4) for value in row] for row in one.map.tolist()],
        neighbours=tuple(
            NearTrainingImage(image=near.image_id, label=near.label, similarity=round(near.similarity, 4))
            for near in one.neighbours
        ),
    )


def _free_name(image: str, taken: set[str]) -> str:
    stem = PurePosixPath(image).stem or "image"
    names = (f"{stem}.png" if number == 1 else f"{stem}-{number}.png" for number in range(1, len(taken) + 2))
    name = next(name for name in names if name not in taken)
    taken.add(name)
    return name
