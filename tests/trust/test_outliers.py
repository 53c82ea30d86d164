"""Outlier scores compared with scikit-learn and PyTorch-OOD."""

import numpy as np
import pytest
import torch
from pytorch_ood.detector import KNN, EnergyBased, Mahalanobis
from sample_outputs import LabelledOutputs, make_outputs
from sklearn.covariance import ledoit_wolf

from residerm.errors import UsageError
from residerm.outputs import Outputs
from residerm.trust.outliers import (
    Energy,
    fit_gaussians,
    fit_mahalanobis,
    fit_nearest,
    fit_score,
    read_score,
    shrunk_covariance,
)


def test_covariance_matches_ledoit_wolf():
    rows = np.random.default_rng(0).normal(size=(80, 30)) * np.linspace(0.1, 3, 30)
    expected, _ = ledoit_wolf(rows, assume_centered=True)
    np.testing.assert_allclose(shrunk_covariance(rows, np.full(80, 1 / 80)), expected, rtol=1e-9, atol=1e-12)


def _evenly(outputs: LabelledOutputs, count: int) -> tuple[np.ndarray, np.ndarray]:
    rows = np.concatenate([np.flatnonzero(outputs.labels == label)[:count] for label in range(7)])
    return outputs.features[rows], outputs.labels[rows]


def test_distance_matches_pytorch_ood_without_shrinkage():
    training, given = make_outputs(7000, alone=True), make_outputs(100, seed=1)
    features, labels = _evenly(training, 300)
    theirs = Mahalanobis(None).fit_features(torch.from_numpy(features), torch.from_numpy(labels))
    expected = theirs.predict_features(torch.from_numpy(given.features)).numpy() * 2 * len(labels)
    ours = fit_gaussians(features, labels).distance(given.features.astype(float)) * 12
    np.testing.assert_allclose(ours, expected, rtol=0.1)
    assert np.corrcoef(ours, expected)[0, 1] > 0.999


def test_distance_uses_the_shrunk_covariance():
    features, labels = _evenly(make_outputs(400), 10)
    given = make_outputs(50, seed=1)
    means = np.stack([features[labels == label].mean(axis=0) for label in range(7)]).astype(float)
    inverse = np.linalg.inv(ledoit_wolf(features - means[labels], assume_centered=True)[0])
    away = given.features[:, None] - means
    expected = np.einsum("ncd,de,nce->nc", away, inverse, away).min(axis=1)
    np.testing.assert_allclose(
        fit_gaussians(features, labels).distance(given.features.astype(float)) * 12, expected, rtol=1e-4
    )


def test_score_is_the_geometric_mean_of_both_distances():
    training, given = make_outputs(400), make_outputs(50, seed=1)
    score = fit_mahalanobis(training.features, training.labels)
    unit = np.abs(training.features).mean()

    def compressed(features):
        logs = np.sign(features) * np.log1p(3 * np.abs(features) / unit)
        return logs / np.linalg.norm(logs, axis=1, keepdims=True)

    one = fit_gaussians(training.features, training.labels).distance(given.features.astype(float))
    other = fit_gaussians(compressed(training.features), training.labels).distance(compressed(given.features))
    np.testing.assert_allclose(score.score(given.outputs), np.sqrt(one * other), rtol=1e-3)


def test_classes_have_equal_weight():
    outputs = make_outputs(300)
    rare = outputs.labels == 3
    more = [np.concatenate([values, *[values[rare]] * 20]) for values in (outputs.features, outputs.labels)]
    given = make_outputs(50, seed=1).outputs
    np.testing.assert_allclose(
        fit_mahalanobis(*more).score(given), fit_mahalanobis(outputs.features, outputs.labels).score(given), rtol=0.1
    )


def test_nearest_neighbour_score_matches_pytorch_ood():
    training, given = make_outputs(100), make_outputs(50, seed=1)
    ours = fit_nearest(training.features, training.labels)
    bank = torch.from_numpy(ours.bank)
    theirs = KNN(None, k=10).fit_features(bank, torch.zeros(len(bank), dtype=torch.long))
    expected = theirs.predict_features(torch.from_numpy(given.features.astype(float)))
    np.testing.assert_allclose(ours.score(given.outputs), expected.numpy(), atol=1e-6)


def test_energy_matches_pytorch_ood():
    given = make_outputs(50)
    expected = EnergyBased.score(torch.from_numpy(given.logits), t=1.0)
    np.testing.assert_allclose(Energy().score(given.outputs), expected.numpy(), rtol=1e-5)


@pytest.mark.parametrize("width", [12, 600])
def test_reduced_axes_keep_the_distances(width, monkeypatch):
    training, given = make_outputs(400, width=width), make_outputs(50, seed=1, width=width)
    few = fit_mahalanobis(training.features, training.labels)
    monkeypatch.setattr("residerm.trust.outliers.AXES", 10_000)
    everything = fit_mahalanobis(training.features, training.labels)
    assert few.plain.axes.shape[1] == min(width, 64)
    far = Outputs(given.logits, given.features + 6)
    assert everything.score(far).min() > everything.score(given.outputs).max()
    assert few.score(far).min() > few.score(given.outputs).max()
    if width == 12:
        np.testing.assert_allclose(few.score(given.outputs), everything.score(given.outputs))


@pytest.mark.parametrize("name", ["mahalanobis", "nearest", "energy"])
def test_stored_statistics_give_the_same_scores(name):
    training, given = make_outputs(100), make_outputs(50, seed=1)
    score = fit_score(name, training.features, training.labels)
    np.testing.assert_allclose(
        read_score(name, score.arrays()).score(given.outputs), score.score(given.outputs), rtol=2e-3, atol=2e-3
    )


def test_constant_features():
    features, labels = np.ones((40, 5)), np.arange(40) % 4
    score = fit_mahalanobis(features, labels)
    assert np.isfinite(score.score(Outputs(np.zeros((3, 4)), np.ones((3, 5))))).all()


def test_energy_is_used_without_features():
    with pytest.raises(UsageError, match="outlier_score nearest requires features"):
        fit_score("nearest", None, None)
    with pytest.raises(UsageError, match="no features"):
        fit_mahalanobis(np.eye(4), np.arange(4)).score(Outputs(np.zeros((1, 4))))
