"""Compute the content of scores.json from predictions."""

from __future__ import annotations

import numpy as np

from residerm.config import EvaluateOptions
from residerm.data.archives.records import Records
from residerm.errors import UsageError
from residerm.evaluation.evaluation_set import EvaluationSet
from residerm.evaluation.identity import Identity
from residerm.evaluation.predictions import Predictions
from residerm.inference import Predictor
from residerm.progress import Progress
from residerm.runs import EvaluationScores, TrainingScores
from residerm.scores import age_bands, assess, by_attribute, headline_scores
from residerm.taxonomy import mapping_for


def score(
    predictions: Predictions, images: EvaluationSet, predictor: Predictor, options: EvaluateOptions, identity: Identity
) -> EvaluationScores:
    """All scores except trust and those of the training part."""
    records = predictions.records
    group_name = records.layout.grouped_by or "image"
    task = images.alignment.task if images.alignment else predictor.description.task
    labels, probabilities, groups = predictions.labels, predictions.probabilities, predictions.groups
    assessment = assess(
        labels, probabilities, predictions.classes, groups,
        predicted=predictions.predicted, group_name=group_name, malignant=_malignant(task, predictions.classes),
    )  # fmt: skip
    people = {"sex": predictions.sexes, "age": age_bands(predictions.ages), "site": predictions.sites}
    return EvaluationScores(
        format=1,
        archive=records.layout.title,
        path=str(images.path.absolute()),
        content=identity.content,
        model=identity.model,
        synthetic=records.layout.synthetic,
        part=images.part,
        images=len(predictions.rows),
        groups=len(np.unique(predictions.groups)),
        group_name=group_name,
        classes=predictions.classes,
        task=task,
        tta=options.tta,
        prior=options.prior,
        decide=options.decide,
        precision=predictor.precision,
        without=options.without,
        mapping=images.alignment.described if images.alignment else None,
        by_attribute=by_attribute(
            labels, probabilities, groups, people,
            classes=predictions.classes, predicted=predictions.predicted, group_name=group_name,
        ),
        **dict(assessment),
    )  # fmt: skip


def training_predictions(
    images: EvaluationSet, predictor: Predictor, options: EvaluateOptions, progress: Progress
) -> Predictions | None:
    """Predictions for as many images of the training part, without augmentation."""
    if images.training is None:
        return None
    some = _some(images.records, images.training, len(images.rows))
    return images.predictions(predictor, some, options, progress)


def with_training(
    scores: EvaluationScores, training: Predictions | None, images: EvaluationSet, seconds: float
) -> EvaluationScores:
    """Add the scores of the training part, and their gap to the scores."""
    if training is None or images.training is None:
        return scores.model_copy(update={"seconds": seconds})
    headline = headline_scores(
        training.labels, training.probabilities, training.classes, training.groups,
        predicted=training.predicted, group_name=scores.group_name,
    )  # fmt: skip
    pairs = {name: (one.value, scores.headline[name].value) for name, one in headline.items()}
    gap = {name: own - tested for name, (own, tested) in pairs.items() if own is not None and tested is not None}
    on_training = TrainingScores(images=len(training.rows), of=len(images.training), headline=headline)
    return scores.model_copy(update={"training": on_training, "gap": gap, "seconds": seconds})


def _malignant(task: str, classes: tuple[str, ...]) -> list[str] | None:
    """The malignant classes, for a model of diagnoses; None if a class is neither known as malignant nor as benign."""
    if task != "diagnosis":
        return None
    try:
        mapping = mapping_for("malignancy", classes)
    except UsageError:
        return None
    return [name for name in classes if mapping.target(name) == "malignant"]


def _some(records: Records, rows: np.ndarray, images: int) -> np.ndarray:
    """Draw whole lesions at random until there are `images` images, in the order of the archive."""
    groups, member = np.unique(records.groups[rows], return_inverse=True)
    turn = np.random.default_rng(0).permutation(len(groups))[member]
    return np.sort(rows[np.argsort(turn, kind="stable")][:images])
