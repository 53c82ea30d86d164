"""Paired differences and McNemar's test."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sample_predictions import make_predictions
from scipy import stats

from residerm.errors import UsageError
from residerm.scores import Comparison, Estimate, assess, compare
from residerm.scores.comparison import mcnemar

CLASSES = ("akiec", "mel", "nv")
LABELS, FIRST, LESIONS = make_predictions(150, 3)
SECOND = 0.3 * FIRST + 0.7 * np.random.default_rng(1).dirichlet([1, 1, 1], 150)
RESULT = compare(LABELS, FIRST, SECOND, CLASSES, LESIONS, resamples=200)


def right(only_first: int, only_second: int, both: int = 3) -> tuple[np.ndarray, np.ndarray]:
    one = np.repeat([True, False, True], [only_first, only_second, both])
    return one, np.repeat([False, True, True], [only_first, only_second, both])


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_matches_scipy(only_first: int, only_second: int) -> None:
    found, disagree = mcnemar(*right(only_first, only_second)), only_first + only_second
    assert (found.first_only, found.second_only) == (only_first, only_second)
    if disagree < 25:
        expected = stats.binomtest(only_first, disagree).pvalue if disagree else 1.0
        assert found.method == "exact binomial"
    else:
        expected = stats.chi2.sf(max(abs(only_first - only_second) - 1, 0) ** 2 / disagree, df=1)
        assert found.method == "chi-squared with continuity correction"
    assert found.p == pytest.approx(expected, rel=1e-9)


def test_differences_are_first_minus_second() -> None:
    one, other = (assess(LABELS, each, CLASSES, LESIONS, resamples=100).headline for each in (FIRST, SECOND))
    assert set(RESULT.differences) == set(one) - {"majority_accuracy"}
    for name, found in RESULT.differences.items():
        if one[name].value is not None:
            assert found.value == pytest.approx(one[name].value - other[name].value, abs=1e-12)
    assert Comparison.model_validate_json(RESULT.to_json()) == RESULT
    assert (RESULT.images, RESULT.groups) == (150, len(set(LESIONS.tolist())))


def test_interval_is_that_of_paired_differences() -> None:
    rows_of = [np.flatnonzero(lesion == LESIONS) for lesion in range(LESIONS.max() + 1)]
    random, gain = np.random.default_rng(0), []
    ahead = (FIRST.argmax(axis=1) == LABELS) * 1.0 - (SECOND.argmax(axis=1) == LABELS)
    for _ in range(200):
        drawn = random.integers(len(rows_of), size=len(rows_of))
        gain.append(ahead[np.concatenate([rows_of[lesion] for lesion in drawn])].mean())
    found = RESULT.differences["accuracy"]
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(gain, [2.5, 97.5])), abs=1e-12)


def test_model_compared_with_itself() -> None:
    result = compare(LABELS, FIRST, FIRST, CLASSES, LESIONS, resamples=100)
    assert {found.value for found in result.differences.values() if found.value is not None} == {0.0}
    assert "the same value" in result.differences["accuracy"].no_interval
    assert result.mcnemar.p == 1


def test_missing_score_has_no_difference() -> None:
    never = SECOND * [0, 1, 1]
    found = compare(LABELS, FIRST, never, CLASSES, LESIONS, resamples=100).differences["macro_precision"]
    assert found == Estimate(absent="no image was predicted as akiec", n=150)


def test_models_of_other_classes_are_refused() -> None:
    with pytest.raises(UsageError, match="150 images of 3 classes need an array of that shape, not 150 × 2"):
        compare(LABELS, FIRST, SECOND[:, :2], CLASSES, LESIONS)
