"""Scores of trust: calibration before and after, prediction sets, and differences between groups."""

import numpy as np
import pytest
from sample_outputs import CLASSES, make_outputs
from scipy.stats import beta, false_discovery_control, norm

from residerm.outputs import softmax
from residerm.scores import headline_scores
from residerm.scores.bootstrap import Bootstrap
from residerm.scores.calibration import by_chance, calibration_scores, corrected_error
from residerm.scores.coverage import Sets, expected, set_scores
from residerm.scores.differences import Compared, differences, holm
from residerm.scores.images import checked_images
from residerm.scores.results import Estimate
from residerm.scores.selective import Selective, selective_scores

BOOTSTRAP = Bootstrap(300, "lesion", 0)


def test_calibration_scores_and_their_difference() -> None:
    outputs = make_outputs(200, sharpness=5.0)
    before, after = softmax(outputs.logits.astype(float)), softmax(outputs.logits / 2.5)
    found = calibration_scores(
        outputs.labels, before, after, CLASSES, outputs.groups, kind="temperature", bootstrap=BOOTSTRAP
    )
    for shares, scores in ((before, found.before), (after, found.after)):
        expected_scores = headline_scores(outputs.labels, shares, CLASSES, outputs.groups, resamples=300)
        for name, score in scores.items():
            assert score == expected_scores[name]
    change = found.change["log_loss"]
    assert change.value == pytest.approx(found.after["log_loss"].value - found.before["log_loss"].value)
    assert change.low < change.value < change.high < 0


def test_chance_calibration_error_matches_simulation() -> None:
    generator = np.random.default_rng(0)
    shares = softmax(generator.normal(size=(600, 4)) * 2)
    images = checked_images(np.zeros(600, dtype=int), shares, list("abcd"), np.arange(600))
    errors = []
    for _ in range(300):
        right = generator.random(600) < images.confidence
        gaps = np.bincount(images.bin, images.confidence - right, minlength=15)
        errors.append(np.abs(gaps).sum() / 600)
    assert by_chance(images) == pytest.approx(np.mean(errors), rel=0.05)


@pytest.mark.parametrize("excess", [0.05, 0.1])
def test_the_corrected_calibration_error_has_no_bias(excess: float) -> None:
    """A confidence that is always too high by the same amount has this amount as its error."""
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.55, 0.95, 400)
    squares = []
    for _ in range(400):
        labels = (generator.random(400) < confidence - excess).astype(int)
        images = checked_images(labels, np.stack([1 - confidence, confidence], axis=1), list("ab"), np.arange(400))
        squares.append(corrected_error(images) ** 2)
    assert np.sqrt(np.mean(squares)) == pytest.approx(excess, rel=0.05)


def test_the_corrected_calibration_error_of_perfect_probabilities_is_small() -> None:
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.5, 1, 100_000)
    labels = (generator.random(len(confidence)) < confidence).astype(int)
    images = checked_images(labels, np.stack([1 - confidence, confidence], axis=1), list("ab"), np.arange(len(labels)))
    assert corrected_error(images) < 0.003


def test_coverage_counts_each_lesion_once() -> None:
    labels, groups = np.array([0, 0, 0, 1]), np.array([5, 5, 5, 7])
    sets = np.array([[True, False], [True, True], [False, True], [False, True]])
    found = set_scores(Sets(sets, 0.9, np.array([True, False]), [20, 3]), labels, groups, ["a", "b"], BOOTSTRAP)
    assert found.coverage.value == pytest.approx((2 / 3 + 1) / 2)
    assert found.size.value == pytest.approx((4 / 3 + 1) / 2)
    assert found.single.value == pytest.approx((2 / 3 + 1) / 2)
    assert found.by_class["a"].coverage.value == pytest.approx(2 / 3)
    assert found.by_class["b"].expected is None


@pytest.mark.parametrize("lesions", [9, 19, 100, 459])
def test_expected_coverage_is_beta_distributed(lesions: int) -> None:
    rank = int(np.ceil((lesions + 1) * 0.9 - 1e-9))
    assert expected(lesions, 0.9) == pytest.approx(beta(rank, lesions + 1 - rank).ppf([0.025, 0.975]), abs=1e-6)
    assert expected(8, 0.9) is None


def test_holm_adjustment() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    values = [0.2, 0.5, 0.001]
    assert all(ours >= theirs for ours, theirs in zip(holm(values), false_discovery_control(values), strict=True))
    assert holm([]) == []


def _compared(bias: float) -> tuple[Compared, list[str]]:
    generator = np.random.default_rng(1)
    labels, groups = generator.integers(0, 3, 900), np.arange(900)
    sexes = np.where(generator.random(900) < 0.5, "female", "male")
    rate = np.where(sexes == "male", 0.8 - bias, 0.8)
    predicted = np.where(generator.random(900) < rate, labels, (labels + 1) % 3)
    given = Compared(labels, predicted, groups, np.array([True, False, False]), generator.random(900) < 0.9)
    return given, sexes.tolist()


def test_group_differences_are_detected_but_not_chance() -> None:
    given, sexes = _compared(0.25)
    found, left = differences(given, {"sex": sexes}, BOOTSTRAP)
    by_score = {one.score: one for one in found}
    assert set(by_score) == {"balanced_accuracy", "sensitivity", "coverage"}
    assert {one.value for one in found} == {"female"}
    assert not left
    biased = by_score["balanced_accuracy"]
    right = given.labels == given.predicted
    female = np.array(sexes) == "female"
    means = [
        np.mean([right[side & (given.labels == label)].mean() for label in range(3)]) for side in (female, ~female)
    ]
    assert biased.difference.value == pytest.approx(means[0] - means[1])
    assert biased.p_adjusted < 0.01
    assert by_score["coverage"].p_adjusted > 0.05
    width = biased.difference.high - biased.difference.low
    assert biased.p == pytest.approx(2 * norm.sf(biased.difference.value / (width / 2 / 1.959964)), rel=1e-4)


def test_small_groups_are_not_compared() -> None:
    given, sexes = _compared(0.0)
    few = ["female" if number < 20 else "male" for number in range(900)]
    found, left = differences(given, {"sex": few, "site": [""] * 900}, BOOTSTRAP)
    assert not found
    assert left["sex"] == "no group has 30 lesions both inside and outside of it (female 20, male 880)"
    assert left["site"] == "there are fewer than two known groups"
    assert len(sexes) == 900


def test_error_rate_is_missing_if_nothing_is_answered() -> None:
    given = Selective(np.linspace(0, 1, 50), np.zeros(50, dtype=int), np.arange(50) % 2)
    found = selective_scores(given, np.zeros(50, dtype=bool), np.arange(50), 0.1, BOOTSTRAP)
    assert found.wrong == Estimate(absent="no image is answered")
    assert found.answered.value == 0
    assert found.curve[-1] == (1.0, 0.5)
