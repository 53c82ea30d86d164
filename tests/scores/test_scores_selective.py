"""Selective prediction and outlier detection compared with scikit-learn, PyTorch-OOD and plain loops."""

import numpy as np
import pytest
import torch
from pytorch_ood.metrics.functional import auroc, fpr_at_tpr
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from residerm.scores.detection import Detection
from residerm.scores.selective import Selective


def _answers(ties: bool = False, seed: int = 0) -> Selective:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 4, 300)
    confidence = generator.random(300)
    confidence = np.round(confidence, 1) if ties else confidence
    predicted = np.where(generator.random(300) < 0.3 + 0.6 * confidence, labels, (labels + 1) % 4)
    return Selective(confidence, labels, predicted)


ONES = np.ones((1, 300))


def test_aurc_is_the_mean_selective_risk():
    given = _answers()
    order = np.argsort(-given.confidence)
    wrong = (given.labels != given.predicted)[order]
    risks = [wrong[:answered].mean() for answered in range(1, 301)]
    assert given.aurc(ONES)[0] == pytest.approx(np.mean(risks))


@pytest.mark.parametrize("ties", [False, True])
def test_augrc_follows_from_accuracy_and_failure_auroc(ties):
    given = _answers(ties)
    right = given.labels == given.predicted
    accuracy, auroc = right.mean(), roc_auc_score(right, given.confidence)
    expected = (1 - auroc) * accuracy * (1 - accuracy) + (1 - accuracy) ** 2 / 2  # Traub et al. 2024, equation 6
    assert given.augrc(ONES)[0] == pytest.approx(expected)


def test_weights_equal_repeated_images():
    given = _answers(ties=True)
    weights = np.random.default_rng(1).integers(0, 3, 300)
    rows = np.repeat(np.arange(300), weights)
    repeated = Selective(given.confidence[rows], given.labels[rows], given.predicted[rows])
    for name in ("aurc", "augrc"):
        one = getattr(repeated, name)(np.ones((1, len(rows))))
        assert getattr(given, name)(weights[None].astype(float)) == pytest.approx(one)


def test_balanced_accuracy_of_the_most_confident():
    given = _answers()
    most = np.argsort(-given.confidence)[:240]
    expected = balanced_accuracy_score(given.labels[most], given.predicted[most])
    assert given.balanced_accuracy(ONES, 0.8)[0] == pytest.approx(expected)
    everything = balanced_accuracy_score(given.labels, given.predicted)
    assert given.balanced_accuracy(ONES, 1.0)[0] == pytest.approx(everything)


def test_curve_ends_at_the_overall_error():
    given = _answers()
    coverage, risk = given.curve(50)
    assert len(coverage) <= 50
    assert (coverage[-1], risk[-1]) == (1.0, pytest.approx((given.labels != given.predicted).mean()))
    assert (np.diff(coverage) > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_detection_matches_pytorch_ood(seed):
    generator = np.random.default_rng(seed)
    outlier = generator.random(400) < 0.3
    score = generator.normal(size=400) + 1.2 * outlier
    scores, labels = torch.from_numpy(score), torch.from_numpy(np.where(outlier, -1, 1))
    ours, ones = Detection(outlier, score), np.ones((1, 400))
    assert ours.auroc(ones)[0] == pytest.approx(float(auroc(scores, labels)))
    assert ours.false_positive_rate(ones)[0] == pytest.approx(float(fpr_at_tpr(-scores, -labels)))


def test_detection_of_repeated_images():
    generator = np.random.default_rng(0)
    outlier, weights = generator.random(200) < 0.4, generator.integers(0, 3, 200)
    score = np.round(generator.normal(size=200) + outlier, 1)
    rows = np.repeat(np.arange(200), weights)
    repeated, given = Detection(outlier[rows], score[rows]), Detection(outlier, score)
    for name in ("auroc", "false_positive_rate"):
        expected = getattr(repeated, name)(np.ones((1, len(rows))))
        assert getattr(given, name)(weights[None].astype(float)) == pytest.approx(expected)
