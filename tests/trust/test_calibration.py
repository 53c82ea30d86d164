"""Calibration compared with scikit-learn and derivative-free minimisers."""

import numpy as np
import pytest
from sample_outputs import SHARES, LabelledOutputs, make_outputs
from scipy.optimize import minimize, minimize_scalar
from sklearn.calibration import _TemperatureScaling

from residerm.outputs import softmax
from residerm.trust.calibration import _RIDGE, fit_calibration, temperature_scaling, vector_scaling
from residerm.trust.lesions import folds, lesion_weights, upper_quantile


def _loss(logits: np.ndarray, outputs: LabelledOutputs) -> float:
    weights = lesion_weights(outputs.groups)
    return float(-weights @ np.log(softmax(logits)[np.arange(len(outputs.labels)), outputs.labels]) / weights.sum())


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 4.0])
def test_temperature_matches_a_search(sharpness):
    outputs = make_outputs(sharpness=sharpness)
    logits = outputs.logits.astype(float)
    found = minimize_scalar(
        lambda t: _loss(logits / t, outputs), bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9}
    )
    fitted = temperature_scaling(logits, outputs.labels, lesion_weights(outputs.groups))
    assert fitted.temperature == pytest.approx(found.x, rel=1e-5)


def test_temperature_matches_scikit_learn():
    outputs = make_outputs(alone=True)
    theirs = _TemperatureScaling().fit(outputs.logits, outputs.labels)
    ours = temperature_scaling(outputs.logits.astype(float), outputs.labels, np.ones(len(outputs.labels)))
    assert 1 / ours.temperature == pytest.approx(theirs.beta_, rel=1e-3)


def test_vector_scaling_reaches_the_loss_of_a_search():
    outputs = make_outputs(300, sharpness=3.0)
    logits = outputs.logits + np.array([0.0, 1, 0, 2, 0, -1, 0])
    weights = lesion_weights(outputs.groups)
    ours = vector_scaling(logits, outputs.labels, weights)
    centre = np.concatenate([temperature_scaling(logits, outputs.labels, weights).scale, np.zeros(7)])

    def loss(parameters):
        scale, shift = np.split(parameters, 2)
        return _loss(logits * scale + shift, outputs) + _RIDGE / 2 * ((parameters - centre) ** 2).sum()

    found = minimize(loss, centre, method="BFGS", options={"gtol": 1e-8})
    assert loss(np.concatenate([ours.scale, ours.shift])) == pytest.approx(found.fun, abs=1e-7)
    np.testing.assert_allclose(np.concatenate([ours.scale, ours.shift]), found.x, atol=1e-3)


def test_vector_scaling_is_chosen_for_imbalance_with_enough_lesions():
    outputs = make_outputs(800)
    balanced = outputs.logits + np.log(SHARES)  # evidence without the classes' shares is out of balance
    assert fit_calibration(balanced, outputs.labels, outputs.groups).calibration.kind == "temperature"
    assert fit_calibration(outputs.logits, outputs.labels, outputs.groups).calibration.kind == "vector"
    few = outputs.groups < 30
    assert (
        fit_calibration(outputs.logits[few], outputs.labels[few], outputs.groups[few]).calibration.kind == "temperature"
    )


def test_calibration_weights_lesions_equally():
    outputs = make_outputs(100, alone=True)
    twice = [
        np.concatenate([values, values]) for values in (outputs.logits.astype(float), outputs.labels, outputs.groups)
    ]
    once = temperature_scaling(outputs.logits.astype(float), outputs.labels, np.ones(len(outputs.labels)))
    assert temperature_scaling(twice[0], twice[1], lesion_weights(twice[2])).scale == pytest.approx(once.scale)


def test_temperature_is_bounded_if_all_are_right():
    labels = np.arange(30) % 3
    calibration = fit_calibration(10 * np.eye(3)[labels], labels, np.arange(30)).calibration
    assert 0.05 <= calibration.temperature <= 20


def test_equal_logits_are_unchanged():
    labels = np.arange(30) % 3
    fitted = fit_calibration(np.zeros((30, 3)), labels, np.arange(30)).calibration
    np.testing.assert_allclose(fitted.probabilities(np.zeros((2, 3))), 1 / 3)


def test_too_few_lesions_are_not_calibrated():
    outputs = make_outputs(14, alone=True)
    calibration = fit_calibration(outputs.logits, outputs.labels, outputs.groups).calibration
    assert calibration.kind == "none"
    np.testing.assert_array_equal(calibration.logits(outputs.logits), outputs.logits)


def test_folds_keep_lesions_together_and_are_stratified():
    outputs = make_outputs(200)
    fold = folds(outputs.labels, outputs.groups, 5)
    assert all(len(np.unique(fold[outputs.groups == group])) == 1 for group in np.unique(outputs.groups))
    for label in range(7):
        lesions = [len(np.unique(outputs.groups[(outputs.labels == label) & (fold == number)])) for number in range(5)]
        assert max(lesions) - min(lesions) <= 1


def test_quantile_counts_lesions():
    scores, groups = np.arange(19.0), np.arange(19)
    assert upper_quantile(scores, groups, 0.95) == 18
    assert upper_quantile(scores[:18], groups[:18], 0.95) == np.inf
    doubled = np.append(scores, [18.0] * 50), np.append(groups, [18] * 50)
    assert upper_quantile(*doubled, 0.9) == 17
