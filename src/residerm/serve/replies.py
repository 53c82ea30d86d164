"""Findings → answers: numbers rounded, classes named, and the reasons in words."""

from __future__ import annotations

import numpy as np

from residerm.serve import overlay
from residerm.serve.answers import ClassAnswer, Explanation, ImageAnswer
from residerm.serve.findings import Finding
from residerm.serve.identity import Served, name_of

NOTE = (
    "Orange speaks for the class and blue against it, on the same scale for every image. It shows what this model "
    "used, not what a lesion is."
)


def image_answer(model: Served, name: str, finding: Finding, label: str | None) -> ImageAnswer:
    """The answer for one image; explained for a class, or for the predicted one, where it has maps."""
    shares, classes, chosen = finding.probabilities, model.classes, finding.prediction_set
    order = np.argsort(-shares, kind="stable")
    best = int(order[0])
    return ImageAnswer(
        name=name,
        predicted=classes[best],
        confidence=_rounded(shares[best]),
        classes=[
            ClassAnswer(
                label=classes[number],
                name=name_of(classes[number]),
                probability=_rounded(shares[number]),
                in_set=None if chosen is None else bool(chosen[number]),
            )
            for number in order
        ],
        prediction_set=None if chosen is None else [classes[number] for number in order if chosen[number]],
        observed=None,
        abstained=finding.abstained,
        abstention_reason=_reason(model, finding) if finding.abstained else None,
        outlier=finding.outlier,
        outlier_score=None if finding.outlier_score is None else round(finding.outlier_score, 4),
        explanation=None if finding.maps is None else _explanation(model, finding.maps, label or classes[best]),
    )


def _reason(model: Served, finding: Finding) -> str:
    confidence = float(finding.probabilities.max())
    summary = getattr(model.predictor.trust, "summary", None)
    threshold = getattr(getattr(summary, "abstention", None), "threshold", None)
    if threshold is None:
        return f"The highest probability is {confidence:.0%}, too low for this model's predictions to be used."
    return (
        f"The highest probability is {confidence:.0%}. Below {threshold:.0%}, this model was wrong too often on the "
        "images that the threshold was set on."
    )


def _explanation(model: Served, maps: np.ndarray, label: str) -> Explanation:
    classifier = model.predictor.classifier
    assert classifier is not None, "maps are asked for where there is a classifier"
    weight, bias = classifier
    number = model.classes.index(label)
    evidence = maps @ weight[number] + bias[number]
    return Explanation(
        label=label,
        png=overlay.data_url(overlay.draw(evidence)),
        limit=overlay.LIMIT,
        aspect=model.predictor.description.pixels.aspect,
        note=NOTE,
    )


def _rounded(share: float) -> float:
    return round(float(share), 4)
