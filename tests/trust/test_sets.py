"""Prediction sets compared with crepes and MAPIE, and their coverage of new lesions."""

import numpy as np
import pytest
from crepes import ConformalClassifier
from mapie.classification import SplitConformalClassifier
from sample_outputs import LabelledOutputs, make_outputs
from sklearn.base import BaseEstimator, ClassifierMixin

from residerm.outputs import softmax
from residerm.trust.lesions import lesion_weights
from residerm.trust.sets import fit_sets, set_scores


def _crepes(outputs: LabelledOutputs, other: LabelledOutputs, coverage: float, rows: np.ndarray) -> np.ndarray:
    scores = set_scores(softmax(outputs.logits.astype(float)))[np.arange(len(outputs.labels)), outputs.labels]
    theirs = ConformalClassifier().fit(scores[rows])
    given = set_scores(softmax(other.logits.astype(float)))
    return theirs.predict_set(given, confidence=coverage, smoothing=False).astype(bool)


@pytest.mark.parametrize("coverage", [0.82, 0.91, 0.95])
def test_pooled_sets_match_crepes(coverage):
    outputs, other = make_outputs(14, alone=True), make_outputs(200, seed=1)
    sets = fit_sets(softmax(outputs.logits.astype(float)), outputs.labels, outputs.groups, coverage)
    assert not sets.by_class.any()
    expected = _crepes(outputs, other, coverage, np.ones(len(outputs.labels), dtype=bool))
    np.testing.assert_array_equal(sets.of(softmax(other.logits.astype(float))), expected)


def test_sets_by_class_match_crepes():
    outputs, other = make_outputs(500, alone=True), make_outputs(200, seed=1)
    sets = fit_sets(softmax(outputs.logits.astype(float)), outputs.labels, outputs.groups, 0.87)
    assert sets.by_class.all()
    ours = sets.of(softmax(other.logits.astype(float)))
    for label in range(7):
        expected = _crepes(outputs, other, 0.87, outputs.labels == label)
        np.testing.assert_array_equal(ours[:, label], expected[:, label])


class _Given(ClassifierMixin, BaseEstimator):
    """A fitted classifier that returns the probabilities passed to it."""

    def __init__(self):
        self.classes_ = np.arange(7)

    def fit(self, *_):
        return self

    def predict_proba(self, probabilities):
        return probabilities

    def predict(self, probabilities):
        return probabilities.argmax(axis=1)

    def __sklearn_is_fitted__(self):
        return True


def test_nonempty_sets_match_mapie():
    outputs, other = make_outputs(14, alone=True, sharpness=0.5), make_outputs(300, seed=1, sharpness=0.5)
    probabilities, given = softmax(outputs.logits.astype(float)), softmax(other.logits.astype(float))
    theirs = SplitConformalClassifier(_Given(), confidence_level=0.8, conformity_score="lac", prefit=True)
    theirs.conformalize(probabilities, outputs.labels)
    expected = theirs.predict_set(given)[1][:, :, 0]
    ours = fit_sets(probabilities, outputs.labels, outputs.groups, 0.8).of(given)
    filled = expected.any(axis=1)
    assert filled.mean() > 0.5
    np.testing.assert_array_equal(ours[filled], expected[filled])
    assert ours.any(axis=1).all()


def test_coverage_of_new_lesions_is_nominal():
    covered = []
    for seed in range(60):
        outputs, other = make_outputs(200, seed=2 * seed), make_outputs(200, seed=2 * seed + 1)
        sets = fit_sets(softmax(outputs.logits), outputs.labels, outputs.groups, 0.9).of(softmax(other.logits))
        weights = lesion_weights(other.groups)
        covered.append(weights @ sets[np.arange(len(other.labels)), other.labels] / weights.sum())
    assert 0.895 < np.mean(covered) < 0.93
