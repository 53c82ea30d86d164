"""`assess`, `by_attribute` and `divide_by_prior`: results, reasons for missing values, and error messages."""

import json
from typing import Any

import numpy as np
import pytest
from sample_predictions import make_predictions
from scipy import stats

from residerm.errors import UsageError
from residerm.scores import (
    POINT_SCORES,
    Assessment,
    Count,
    Estimate,
    Resampling,
    age_bands,
    assess,
    by_attribute,
    divide_by_prior,
    named,
    point_scores,
)  # fmt: skip

CLASSES = ("akiec", "mel", "nv")
LABELS, LIKELY, LESIONS = make_predictions(150, 3)


def assessed(labels: np.ndarray = LABELS, likely: np.ndarray = LIKELY, **options: Any) -> Assessment:
    return assess(labels, likely, CLASSES, np.arange(len(labels)), resamples=100, **options)


def test_result_is_json_with_the_parts_of_scores_json() -> None:
    result = assess(LABELS, LIKELY, CLASSES, LESIONS, malignant=["mel", "akiec"], resamples=100, group_name="patient")
    assert Assessment.model_validate_json(result.to_json()) == result
    assert set(json.loads(result.to_json())) == {
        "bootstrap",
        "counts",
        "headline",
        "by_class",
        "malignancy",
        "confusion",
        "reliability",
    }
    assert result.bootstrap == Resampling(resamples=100, unit="patient", level=0.95, seed=0)
    assert len(result.headline) == 15
    assert [len(result.by_class[name]) for name in CLASSES] == [8, 8, 8]
    assert result.malignancy is not None
    assert result.malignancy.malignant == ("mel", "akiec")
    assert len(result.malignancy.scores) == 7
    assert set(json.loads(result.headline["accuracy"].to_json())) == {"value", "low", "high", "n"}


def test_tables_count_every_image_once() -> None:
    result = assess(LABELS, LIKELY, CLASSES, LESIONS, resamples=100)
    expected = np.zeros((3, 3), int)
    np.add.at(expected, (LABELS, LIKELY.argmax(axis=1)), 1)
    assert result.confusion == expected.tolist()
    for number, name in enumerate(CLASSES):
        lesions = len(set(LESIONS[number == LABELS].tolist()))
        assert result.counts[name] == Count(images=int((number == LABELS).sum()), groups=lesions)
    bins = result.reliability
    assert sum(one.n for one in bins) == 150
    assert all(one.low < one.confidence <= one.high for one in bins)
    error = sum(one.n * abs(one.confidence - one.accuracy) for one in bins) / 150
    assert result.headline["calibration_error"].value == pytest.approx(error)


def test_confidence_on_a_bin_edge_belongs_to_the_lower_bin() -> None:
    likely = np.array([[0.6, 0.4, 0.0], [0.61, 0.39, 0.0], [1.0, 0.0, 0.0]])
    bins = assess(np.array([0, 1, 0]), likely, CLASSES, range(3), resamples=100).reliability
    assert [(one.low, one.high) for one in bins] == [(8 / 15, 9 / 15), (9 / 15, 10 / 15), (14 / 15, 1)]


def test_epoch_scores_equal_assess() -> None:
    points, headline = point_scores(LABELS, LIKELY).values, assessed().headline
    assert {name: headline[name].value for name in POINT_SCORES} == pytest.approx(dict(points), rel=1e-12)


def test_n_is_the_number_of_images_of_a_score() -> None:
    scores, predicted = assessed().by_class["mel"], LIKELY.argmax(axis=1)
    assert scores["sensitivity"].n == (LABELS == 1).sum()
    assert scores["specificity"].n == (LABELS != 1).sum()
    assert scores["precision"].n == (predicted == 1).sum()
    assert scores["negative_predictive_value"].n == (predicted != 1).sum()
    assert scores["auc"].n == scores["f1"].n == 150


def test_class_without_images_has_reasons_instead_of_scores() -> None:
    result = assessed(np.where(LABELS == 0, 2, LABELS), malignant=["akiec"])
    scores = result.by_class["akiec"]
    reason = "there are no images of akiec"
    assert scores["sensitivity"] == Estimate(absent=reason, n=0)
    assert {name for name, score in scores.items() if score.absent == reason} == set(scores) - {
        "specificity",
        "negative_predictive_value",
    }
    assert result.headline["macro_auc"] == Estimate(absent=reason, n=150)
    assert result.headline["balanced_accuracy"].note == "without akiec: no images"
    assert result.headline["accuracy"].note is None
    assert result.malignancy.scores["auc"].absent == "there are no images of a malignant class"


def test_single_class_with_images() -> None:
    result = assessed(np.full(150, 2))
    assert result.by_class["nv"]["specificity"] == Estimate(absent="all images are of nv", n=0)
    assert result.headline["macro_auc"].absent == "there are no images of akiec, mel"
    assert result.headline["balanced_accuracy"].value == result.headline["accuracy"].value


def test_class_never_predicted_has_no_precision() -> None:
    likely = LIKELY.copy()
    likely[:, 0] = 0
    result = assessed(likely=likely)
    reason = "no image was predicted as akiec"
    assert result.by_class["akiec"]["precision"] == Estimate(absent=reason, n=0)
    assert result.by_class["akiec"]["sensitivity"].value == 0
    assert result.headline["macro_precision"].absent == reason
    always = assessed(likely=np.tile([0.0, 0.0, 1.0], (150, 1))).by_class["nv"]
    assert always["negative_predictive_value"].absent == "every image was predicted as nv"


def test_all_or_none_right_has_an_exact_interval_by_lesion() -> None:
    """Eight lesions of two images each: Clopper and Pearson, by scipy, of 0 or 8 of 8."""
    labels, lesions = np.repeat([1] * 8 + [2] * 40, 2), np.repeat(np.arange(48), 2)
    likely = np.tile([0.0, 0.0, 1.0], (96, 1))
    found = assess(labels, likely, CLASSES, lesions, resamples=100).by_class
    none, every = found["mel"]["sensitivity"], found["nv"]["sensitivity"]
    for estimate, right, number in ((none, 0, 8), (every, 40, 40)):
        expected = stats.binomtest(right, number).proportion_ci(0.95, "exact")
        assert estimate.interval == pytest.approx((expected.low, expected.high))
        assert estimate.exact
        assert estimate.no_interval is None
    assert found["nv"]["auc"].no_interval
    assert found["mel"]["specificity"].interval == pytest.approx(stats.binomtest(40, 40).proportion_ci(0.95, "exact"))


def test_single_image_has_an_exact_interval() -> None:
    labels = np.append(np.zeros(1, int), np.arange(149) % 2 + 1)
    found = assessed(labels).by_class["akiec"]
    assert found["sensitivity"].n == 1
    assert found["sensitivity"].interval in ((0.0, pytest.approx(0.975)), (pytest.approx(0.025), 1.0))
    assert "too few lesions" in str(found["f1"].no_interval)


def test_top_two_accuracy_of_two_classes() -> None:
    likely = np.stack([LIKELY[:, 0] + LIKELY[:, 2], LIKELY[:, 1]], axis=1)
    labels = (LABELS == 1).astype(int)
    headline = assess(labels, likely, ["benign", "malignant"], LESIONS, resamples=100).headline
    assert headline["top_2_accuracy"].absent == "there are only 2 classes, so it would always be 1"
    assert headline["macro_auc"].value == pytest.approx(point_scores(labels, likely).values["macro_auc"])


def test_log_loss_is_finite_for_zero_probabilities() -> None:
    assert assessed(likely=np.eye(3)[(LABELS + 1) % 3]).headline["log_loss"].value == pytest.approx(87.3365, 1e-4)


def test_by_attribute_lists_unknown_last() -> None:
    ages = age_bands([None, 29.9, 30, 50, float("nan"), 70] * 25)
    lines = by_attribute(LABELS, LIKELY, LESIONS, {"age": ages}, classes=CLASSES, resamples=100)["age"]
    assert [line.value for line in lines] == ["under 30", "30 to 49", "50 to 69", "70 and over", "unknown"]
    assert [line.images for line in lines] == [25, 25, 25, 25, 50]
    young = np.array(ages) == "under 30"
    assert lines[0].groups == len(set(LESIONS[young].tolist()))
    assert set(lines[0].scores) == {"accuracy", "balanced_accuracy", "macro_auc"}
    alone = assess(LABELS[young], LIKELY[young], CLASSES, LESIONS[young], resamples=100).headline
    assert lines[0].scores == {name: alone[name] for name in lines[0].scores}


def test_divide_by_prior_equals_uniform_class_frequencies() -> None:
    prior, true = np.array([0.1, 0.2, 0.7]), LIKELY
    leaning = true * prior / (true * prior).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(divide_by_prior(leaning.astype(np.float32), prior), true, rtol=1e-5)


def test_balanced_decision_divides_by_the_prior() -> None:
    shares, prior = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8]]), [0.75, 0.25]
    assert named(shares, prior, balanced=False).tolist() == [0, 0, 1]
    assert named(shares, prior, balanced=True).tolist() == [1, 0, 1]
    assert named(np.zeros((0, 2)), prior, balanced=True).tolist() == []


@pytest.mark.parametrize(
    ("prior", "message"),
    [([0.5, 0.5], "the prior has 2 classes"), ([0.5, 0.5, 0.0], "a class that training never saw")],
)
def test_invalid_prior_is_refused(prior: list[float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        divide_by_prior(LIKELY, prior)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": np.array([], int)}, "there are no images to score"),
        ({"probabilities": LIKELY[:, :2]}, "150 images of 3 classes need an array of that shape, not 150 × 2"),
        ({"groups": LESIONS[:-1]}, "groups: there are 149 for 150 images"),
        ({"labels": LABELS + 1}, "labels must be integers from 0 to 2"),
        ({"labels": LABELS.astype(str)}, "labels must be integers from 0 to 2"),
        ({"probabilities": np.where(LIKELY[7, 0] == LIKELY, np.nan, LIKELY)}, "in the row of image 7"),
        ({"malignant": ["mell"]}, "malignant: 'mell' is not one of the classes. Did you mean mel?"),
    ],
)
def test_mismatching_arguments_are_refused(changed: dict[str, Any], message: str) -> None:
    arguments = {"labels": LABELS, "probabilities": LIKELY, "classes": CLASSES, "groups": LESIONS} | changed
    with pytest.raises(UsageError) as error:
        assess(**arguments)
    assert message in str(error.value)


def test_attribute_needs_a_value_for_each_image() -> None:
    with pytest.raises(UsageError, match="sex: there are 2 values for 150 images"):
        by_attribute(LABELS, LIKELY, LESIONS, {"sex": ["male", ""]}, classes=CLASSES)
