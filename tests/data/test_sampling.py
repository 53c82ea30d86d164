"""Resampling has the requested class counts and uses only the given rows."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from residerm.config import SampleOptions
from residerm.data.sampling import draw_rows, targets

HAM10000 = np.array([327, 514, 1099, 115, 1113, 6705, 142])


def rows_and_labels(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Training rows and the labels of all rows."""
    labels = np.repeat(np.arange(len(counts)), counts)
    others = np.full(1000, len(counts) - 1)
    return np.arange(len(labels)) + 1000, np.concatenate([others, labels])


def test_both_undersamples_the_largest_and_oversamples_to_the_median() -> None:
    assert targets(HAM10000, SampleOptions(sampling="both")).tolist() == [514, 514, 1099, 514, 1113, 2226, 514]


def test_target_options() -> None:
    under = SampleOptions(sampling="under", cut_to=1.0)
    assert targets(HAM10000, under).tolist() == [327, 514, 1099, 115, 1113, 1113, 142]
    over = SampleOptions(sampling="over", raise_to=600)
    assert targets(HAM10000, over).tolist() == [600, 600, 1099, 600, 1113, 6705, 600]
    largest = SampleOptions(sampling="over", raise_to="largest")
    assert set(targets(HAM10000, largest)) == {6705}


def test_class_without_training_images_stays_empty() -> None:
    assert targets(np.array([10, 0, 4]), SampleOptions(sampling="over", raise_to="largest")).tolist() == [10, 0, 10]


@pytest.mark.parametrize("sampling", ["under", "over", "both"])
def test_draw_uses_training_rows_only(sampling: str) -> None:
    rows, labels = rows_and_labels(HAM10000 // 10)
    options = SampleOptions(sampling=sampling)
    drawn = draw_rows(rows, labels, options, seed=3)
    assert np.bincount(labels[drawn]).tolist() == targets(HAM10000 // 10, options).tolist()
    assert set(drawn) <= set(rows)


def test_undersampling_is_without_replacement_and_oversampling_keeps_all() -> None:
    rows, labels = rows_and_labels(np.array([60, 20, 4]))
    drawn = draw_rows(rows, labels, SampleOptions(sampling="both"), seed=0)
    cut, raised = drawn[labels[drawn] == 0], drawn[labels[drawn] == 2]
    assert len(cut) == len(set(cut)) == 40
    assert set(raised) == set(rows[labels[rows] == 2])
    assert len(raised) == 20


def test_draw_depends_on_seed_and_epoch() -> None:
    rows, labels = rows_and_labels(HAM10000 // 10)
    options = SampleOptions(sampling="both")
    first = draw_rows(rows, labels, options, seed=1, epoch=0)
    assert (first == draw_rows(rows, labels, options, seed=1, epoch=0)).all()
    assert set(first) != set(draw_rows(rows, labels, options, seed=1, epoch=1))
    assert set(first) != set(draw_rows(rows, labels, options, seed=2, epoch=0))


def test_none_keeps_the_rows() -> None:
    rows, labels = rows_and_labels(HAM10000 // 10)
    assert draw_rows(rows, labels, SampleOptions(), seed=0) is rows


@given(st.lists(st.integers(1, 500), min_size=2, max_size=9), st.sampled_from(["under", "over", "both"]))
def test_only_the_largest_class_is_undersampled(counts: list[int], sampling: str) -> None:
    before = np.array(counts)
    after = targets(before, SampleOptions(sampling=sampling))
    assert (after < before).sum() <= 1
    assert (after[before < before.max()] >= before[before < before.max()]).all()
    assert (after > 0).all()
