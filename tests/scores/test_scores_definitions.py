"""Every weighted score compared with scikit-learn's sample_weight, on data with ties."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sample_predictions import make_predictions
from sklearn import metrics

from residerm.scores.curves import curve, rank, sensitivity_at_specificity, specificity_at_sensitivity
from residerm.scores.definitions import HEADLINE, QUESTION_SCORES, Weighed
from residerm.scores.images import checked_images

CLASSES = ("a", "b", "c", "d")
TRUTH, LIKELY, LESIONS = make_predictions(120, 4, seed=1, ties=True)
IMAGES = checked_images(TRUTH, LIKELY, CLASSES, LESIONS)
WEIGHTS = np.random.default_rng(2).integers(0, 4, (6, 120)).astype(float)
WEIGHED = Weighed(IMAGES, WEIGHTS)
SAID = LIKELY.argmax(axis=1)
Oracle = Callable[[np.ndarray], float]


def averaged(score: Callable[..., float], average: str) -> Oracle:
    return lambda weights: score(TRUTH, SAID, average=average, sample_weight=weights, zero_division=np.nan)


def rank_of_label(places: int) -> Oracle:
    """The rank by sorting in plain Python; of equally probable classes, the first comes first."""

    def share(weights: np.ndarray) -> float:
        order = [sorted(range(4), key=lambda number: (-row[number], number)) for row in LIKELY]
        return np.average([label in row[:places] for label, row in zip(TRUTH, order, strict=True)], weights=weights)

    return share


def calibration_error(weights: np.ndarray) -> float:
    confidence, right, error = LIKELY.max(axis=1), SAID == TRUTH, 0.0
    for number in range(15):
        inside = (confidence > number / 15) & (confidence <= (number + 1) / 15)
        if weights[inside].sum():
            difference = np.average(confidence[inside], weights=weights[inside]) - np.average(
                right[inside], weights=weights[inside]
            )
            error += abs(difference) * weights[inside].sum() / weights.sum()
    return error


HEADLINE_ORACLES: dict[str, Oracle] = {
    "accuracy": lambda weights: metrics.accuracy_score(TRUTH, SAID, sample_weight=weights),
    "majority_accuracy": lambda weights: np.bincount(TRUTH, weights).max() / weights.sum(),
    "balanced_accuracy": lambda weights: metrics.balanced_accuracy_score(TRUTH, SAID, sample_weight=weights),
    "macro_auc": lambda weights: metrics.roc_auc_score(
        np.eye(4)[TRUTH], LIKELY, average="macro", sample_weight=weights
    ),
    "macro_f1": averaged(metrics.f1_score, "macro"),
    "weighted_f1": averaged(metrics.f1_score, "weighted"),
    "macro_precision": averaged(metrics.precision_score, "macro"),
    "macro_recall": averaged(metrics.recall_score, "macro"),
    "weighted_precision": averaged(metrics.precision_score, "weighted"),
    "weighted_recall": averaged(metrics.recall_score, "weighted"),
    "top_2_accuracy": rank_of_label(2),
    "top_3_accuracy": rank_of_label(3),
    "log_loss": lambda weights: metrics.log_loss(TRUTH, LIKELY, sample_weight=weights),
    "brier_score": lambda weights: np.average(((LIKELY - np.eye(4)[TRUTH]) ** 2).sum(axis=1), weights=weights),
    "calibration_error": calibration_error,
}


def test_every_headline_score_has_a_reference() -> None:
    assert set(HEADLINE_ORACLES) == set(HEADLINE)


@pytest.mark.parametrize("name", HEADLINE)
def test_weighted_headline_scores(name: str) -> None:
    expected = [HEADLINE_ORACLES[name](weights) for weights in WEIGHTS]
    np.testing.assert_allclose(HEADLINE[name].compute(WEIGHED), expected, rtol=1e-12)


def test_brier_score_is_summed_over_classes() -> None:
    ours = HEADLINE["brier_score"].compute(Weighed(IMAGES, np.ones((1, 120))))[0]
    assert ours == pytest.approx(metrics.brier_score_loss(TRUTH, LIKELY, scale_by_half=False, labels=range(4)))


def partial_area(positive: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> float:
    """The mean over negatives of the curve's height, clipped at 0.8."""
    false, true, _ = metrics.roc_curve(positive, probability, sample_weight=weights, drop_intermediate=False)
    rates = np.unique(np.concatenate([np.linspace(0, 1, 200_001), false]))
    first = np.interp(0.8, true + np.arange(len(true)) * 1e-13, false)
    rates = np.append(first, rates[rates > first])
    return float(np.trapezoid(np.interp(rates, false + np.arange(len(false)) * 1e-13, true), rates))


def best_beyond(positive: np.ndarray, probability: np.ndarray, weights: np.ndarray, *, of: str) -> float:
    """By trying every threshold."""
    best = 0.0
    for threshold in [*np.unique(probability), np.inf]:
        called = probability >= threshold
        sensitivity = weights[called & positive].sum() / weights[positive].sum()
        specificity = weights[~called & ~positive].sum() / weights[~positive].sum()
        least, other = (specificity, sensitivity) if of == "sensitivity" else (sensitivity, specificity)
        best = max(best, other) if least >= 0.9 else best
    return best


def binary(score: Callable[..., float], **options: object) -> Callable[..., float]:
    return lambda positive, called, _, weights: score(positive, called, sample_weight=weights, **options)


def ranked(score: Callable[..., float]) -> Callable[..., float]:
    return lambda positive, _, probability, weights: score(positive, probability, sample_weight=weights)


QUESTION_ORACLES = {
    "sensitivity": binary(metrics.recall_score),
    "specificity": binary(metrics.recall_score, pos_label=0),
    "precision": binary(metrics.precision_score),
    "negative_predictive_value": binary(metrics.precision_score, pos_label=0),
    "f1": binary(metrics.f1_score),
    "auc": ranked(metrics.roc_auc_score),
    "average_precision": ranked(metrics.average_precision_score),
    "auc_above_80_sensitivity": lambda positive, _, likely, weights: partial_area(positive, likely, weights),
    "sensitivity_at_90_specificity": lambda positive, _, likely, weights: best_beyond(
        positive, likely, weights, of="sensitivity"
    ),
    "specificity_at_90_sensitivity": lambda positive, _, likely, weights: best_beyond(
        positive, likely, weights, of="specificity"
    ),
}


def test_every_binary_score_has_a_reference() -> None:
    assert set(QUESTION_ORACLES) == set(QUESTION_SCORES)


@pytest.mark.parametrize("name", QUESTION_SCORES)
@pytest.mark.parametrize("number", [0, 3])
def test_weighted_binary_scores(name: str, number: int) -> None:
    question = IMAGES.questions[number]
    expected = [
        QUESTION_ORACLES[name](question.positive, question.called, question.probability, weights) for weights in WEIGHTS
    ]
    tolerance = 2e-5 if name == "auc_above_80_sensitivity" else 1e-12  # the staircase has steps of 5e-6
    np.testing.assert_allclose(WEIGHED.of(question).score(name), expected, rtol=tolerance)


def test_malignancy_sums_probabilities() -> None:
    question = IMAGES.malignancy(["d", "b"])
    assert (question.positive == np.isin(TRUTH, [1, 3])).all()
    assert (question.called == np.isin(SAID, [1, 3])).all()
    np.testing.assert_allclose(question.probability, LIKELY[:, 1] + LIKELY[:, 3])


some = st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=30)


@settings(deadline=None)
@given(some)
def test_ranking_scores_match_scikit_learn_with_ties_and_weights(rows: list[tuple[bool, int, int]]) -> None:
    positive, probability, weights = (np.array(column) for column in zip(*rows, strict=True))
    probability = probability / 4
    images = checked_images(
        positive.astype(int), np.stack([1 - probability, probability], axis=1), "nm", np.arange(len(rows))
    )
    ours = Weighed(images, weights[None].astype(float)).of(images.questions[1])
    if not weights[positive].sum() or not weights[~positive].sum():
        assert np.isnan([ours.score(name) for name in ("auc", "average_precision", "auc_above_80_sensitivity")]).all()
        return
    for name, score in (("auc", metrics.roc_auc_score), ("average_precision", metrics.average_precision_score)):
        assert ours.score(name)[0] == pytest.approx(score(positive, probability, sample_weight=weights), abs=1e-12)
    for of, name in (
        ("sensitivity", "sensitivity_at_90_specificity"),
        ("specificity", "specificity_at_90_sensitivity"),
    ):
        assert ours.score(name)[0] == pytest.approx(best_beyond(positive, probability, weights, of=of), abs=1e-12)


def test_threshold_exactly_at_90_percent() -> None:
    """9 of 10 is 0.9 despite rounding; tied images cannot be separated."""
    positive = np.array([False] * 10 + [True] * 10)
    ones = np.ones((1, 20))
    best_negative_first = np.append([1.0] + [0.1] * 9, [0.5] * 8 + [0.05] * 2)
    assert sensitivity_at_specificity(curve(rank(positive, best_negative_first), ones))[0] == 0.8
    tied_with_two = np.append([1.0, 1.0] + [0.1] * 8, [1.0] * 9 + [0.05])
    assert sensitivity_at_specificity(curve(rank(positive, tied_with_two), ones))[0] == 0
    assert specificity_at_sensitivity(curve(rank(positive, tied_with_two), ones))[0] == 0.8


def test_partial_auc_of_perfect_and_random_rankings() -> None:
    positive = np.arange(10) < 5
    for probability, area in ((positive.astype(float), 1.0), (np.full(10, 0.5), 0.18), (~positive * 1.0, 0.0)):
        images = checked_images(
            (~positive).astype(int), np.stack([probability, 1 - probability], axis=1), "pn", range(10)
        )
        score = Weighed(images, np.ones((1, 10))).of(images.questions[0]).score("auc_above_80_sensitivity")
        assert score[0] == pytest.approx(area)


def test_undefined_scores_are_nan_without_warnings() -> None:
    weights = np.ones((2, 120))
    weights[0, TRUTH == 2] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weighed = Weighed(IMAGES, weights)
        values = {name: weighed.of(IMAGES.questions[2]).score(name) for name in QUESTION_SCORES}
        means = {name: score.compute(weighed) for name, score in HEADLINE.items()}
    undefined = {name for name, value in values.items() if np.isnan(value[0])}
    assert undefined == set(QUESTION_SCORES) - {"specificity", "negative_predictive_value"}
    assert {name for name, value in means.items() if np.isnan(value[0])} == {
        "balanced_accuracy",
        "macro_auc",
        "macro_f1",
        "macro_precision",
        "macro_recall",
    }
    assert not np.isnan([value[1] for value in (values | means).values()]).any()


def test_curve_points_match_scikit_learn() -> None:
    positive, probability = TRUTH == 1, LIKELY[:, 1]
    ours = curve(rank(positive, probability), np.ones((1, len(TRUTH))))
    false_alarms, sensitivity, _ = metrics.roc_curve(positive, probability, drop_intermediate=False)
    precision, recall, _ = metrics.precision_recall_curve(positive, probability)
    roc = {(x, y) for x, y in zip(false_alarms.round(9), sensitivity.round(9), strict=True)}
    pr = {(x, y) for x, y in zip(recall.round(9), precision.round(9), strict=True)}
    assert roc >= set(zip((1 - ours.specificity[0]).round(9), ours.sensitivity[0].round(9), strict=True))
    assert pr >= set(zip(ours.sensitivity[0].round(9), ours.precision[0].round(9), strict=True))
    assert ours.precision[0, 0] == 1
    assert len(ours.precision[0]) > 20
