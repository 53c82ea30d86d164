"""Scores of trust in an evaluation: calibration, prediction sets, abstention, outliers, differences of groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from residerm.config import EvaluateOptions
from residerm.evaluation.evaluation_set import EvaluationSet
from residerm.evaluation.predictions import Predictions
from residerm.inference import Predictor
from residerm.inference.answers import Rule
from residerm.scores import Estimate, age_bands
from residerm.scores.bootstrap import Bootstrap
from residerm.scores.calibration import calibration_scores
from residerm.scores.coverage import Sets, set_scores
from residerm.scores.curves import ratio
from residerm.scores.detection import Elsewhere, outlier_scores
from residerm.scores.differences import Compared, differences
from residerm.scores.selective import Selective, selective_scores
from residerm.scores.trust_results import DecisionScores, GroupDifference, SetScores, TrustScores
from residerm.trust import Judgements, Trust
from residerm.trust.decision import malignant_classes

_RESAMPLES, _RESAMPLES_OF_DIFFERENCES = 2000, 1000


def trust_scores(
    predictions: Predictions,
    images: EvaluationSet,
    predictor: Predictor,
    options: EvaluateOptions,
    elsewhere: Sequence[Elsewhere] = (),
) -> TrustScores | None:
    """The scores of a model's trust; None if it has none."""
    trust, judged = predictor.trust, predictions.judgements
    if trust is None or judged is None:
        return None
    unit = predictions.records.layout.grouped_by or "image"
    bootstrap, groups, labels = Bootstrap(_RESAMPLES, unit, 0), predictions.groups, predictions.labels
    before = _in_common_classes(predictions.outputs.probabilities, images, predictor)
    after = _in_common_classes(judged.probabilities, images, predictor)
    selective = Selective(
        judged.confidence, labels, after.argmax(axis=1)
    )  # of the most probable class, for any `decide`
    compared, not_compared = _differences(predictions, judged, unit, own=predictions.classes == trust.classes)
    threshold = trust.outlier_threshold(predictions.views)
    return TrustScores(
        fitted_on=trust.summary.fitted_on,
        fitted=trust.summary.figures,
        limits=trust.limits(predictions.views),
        calibration=calibration_scores(
            labels, before, after, predictions.classes, groups,
            kind=trust.summary.calibration.kind, bootstrap=bootstrap,
        ),
        sets=_sets(predictions, judged, trust, bootstrap),
        selective=selective_scores(selective, ~judged.abstain, groups, trust.options.error_rate, bootstrap),
        marked=_share(judged.outlier, np.ones(len(labels), dtype=bool), groups, bootstrap),
        outliers=tuple(outlier_scores(judged.outlier_score, groups, one, threshold, bootstrap) for one in elsewhere),
        differences=compared,
        not_compared=not_compared,
        decision=_decision(predictions, Rule.asked(predictor, options), bootstrap),
    )  # fmt: skip


def _in_common_classes(probabilities: np.ndarray, images: EvaluationSet, predictor: Predictor) -> np.ndarray:
    """Probabilities in the classes of the evaluation."""
    alignment = images.alignment
    return alignment.summed(probabilities, predictor.description.classes) if alignment else probabilities


def _sets(predictions: Predictions, judged: Judgements, trust: Trust, bootstrap: Bootstrap) -> SetScores | None:
    """The scores of prediction sets; None unless the evaluation is in the model's own classes."""
    if predictions.classes != trust.classes:
        return None
    summary = trust.summary
    own = np.isin(trust.classes, summary.sets.by_class)
    lesions = [summary.lesions_by_class[name] for name in trust.classes]
    sets = Sets(judged.sets, summary.sets.coverage, own, lesions)
    return set_scores(sets, predictions.labels, predictions.groups, trust.classes, bootstrap)


def _differences(
    predictions: Predictions, judged: Judgements, unit: str, *, own: bool
) -> tuple[tuple[GroupDifference, ...], dict[str, str]]:
    inside = judged.sets[np.arange(len(predictions.labels)), predictions.labels] if own else None
    given = Compared(
        predictions.labels, predictions.predicted, predictions.groups, malignant_classes(predictions.classes), inside
    )
    people = {"sex": predictions.sexes, "age": age_bands(predictions.ages), "site": predictions.sites}
    return differences(given, people, Bootstrap(_RESAMPLES_OF_DIFFERENCES, unit, 0))


def _decision(predictions: Predictions, rule: Rule, bootstrap: Bootstrap) -> DecisionScores | None:
    """The scores of the threshold on the probability of malignancy; None if it is not used."""
    threshold, malignant = rule.threshold, malignant_classes(predictions.classes)
    if threshold is None or malignant is None:
        return None
    called, sick = malignant[predictions.predicted], malignant[predictions.labels]
    return DecisionScores(
        asked=threshold.asked,
        threshold=threshold.threshold,
        validation_sensitivity=threshold.sensitivity,
        validation_specificity=threshold.specificity,
        sensitivity=_share(called, sick, predictions.groups, bootstrap),
        specificity=_share(~called, ~sick, predictions.groups, bootstrap),
    )


def _share(counted: np.ndarray, among: np.ndarray, groups: np.ndarray, bootstrap: Bootstrap) -> Estimate:
    """A fraction of lesions, with its interval."""
    if not among.any():
        return Estimate(absent="there are no such images")
    number = np.unique(groups[among], return_inverse=True)[1]
    own = 1 / np.bincount(number)[number]

    def values(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"share": ratio(weights * own @ counted[among], (weights * own).sum(axis=1))}

    return bootstrap.estimates(values, number)["share"].model_copy(update={"n": int(among.sum())})
