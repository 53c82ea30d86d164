"""Convert findings to answers: rounded numbers, names of classes, and reasons as text."""

from __future__ import annotations

import numpy as np

from residerm.explanation.cam import evidence_maps
from residerm.explanation.target import for_class
from residerm.outputs import Outputs
from residerm.service import overlay
from residerm.service.answers import ClassAnswer, Explanation, ImageAnswer
from residerm.service.findings import ImageResult
from residerm.service.identity import Served, name_of
from residerm.service.observed import at

NOTE = (
    "Red is evidence for the class and blue against it, on the same scale for every image. It shows what this model "
    "used, not what the lesion is."
)


def image_answer(model: Served, name: str, finding: ImageResult, label: str | None) -> ImageAnswer:
    """The answer for one image; if it has maps, with the evidence for `label` or for the predicted class."""
    classes, probabilities = model.classes, finding.probabilities.tolist()
    chosen = None if finding.prediction_set is None else finding.prediction_set.tolist()
    order = np.argsort(-finding.probabilities, kind="stable").tolist()
    best = order[0]
    return ImageAnswer(
        name=name,
        predicted=classes[best],
        confidence=round(probabilities[best], 4),
        classes=[
            ClassAnswer(
                label=classes[number],
                name=name_of(classes[number]),
                probability=round(probabilities[number], 4),
                in_set=None if chosen is None else chosen[number],
            )
            for number in order
        ],
        prediction_set=None if chosen is None else [classes[number] for number in order if chosen[number]],
        observed=at(probabilities[best], model.observed),
        abstained=finding.abstained,
        abstention_reason=_reason(model, finding) if finding.abstained else None,
        outlier=finding.outlier,
        outlier_score=None if finding.outlier_score is None else round(finding.outlier_score, 4),
        explanation=None if finding.maps is None else _explanation(model, finding, label or classes[best]),
    )


def _reason(model: Served, finding: ImageResult) -> str:
    trust, confidence = model.predictor.trust, float(finding.probabilities.max())
    threshold = trust.summary.abstention.threshold if trust else None
    if threshold is None:
        return "No confidence was high enough for this model's predictions to be used when its trust was fitted."
    return (
        f"The highest probability is {100 * confidence:.0f} %. Below {100 * threshold:.0f} %, this model was wrong too "
        "often on the images on which the threshold was chosen."
    )


def _explanation(model: Served, finding: ImageResult, label: str) -> Explanation:
    classifier, maps = model.predictor.classifier, finding.maps
    assert classifier is not None, "maps are only computed if there is a classifier"
    assert maps is not None, "an explanation was requested"
    outputs = Outputs(np.zeros((1, len(model.classes)), np.float32), maps=maps[None])
    target = for_class(len(model.classes), np.array([model.classes.index(label)]))
    (evidence,) = evidence_maps(outputs, classifier, target)
    return Explanation(
        label=label,
        png=overlay.data_url(overlay.draw_overlay(evidence)),
        view=overlay.data_url(overlay.picture(finding.pixels)),
        full=overlay.FULL,
        aspect=model.predictor.description.pixels.aspect,
        note=NOTE,
    )
