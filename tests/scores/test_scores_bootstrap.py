"""Bootstrap intervals compared with a loop over resampled rows, and their coverage."""

import numpy as np
import pytest
from sample_predictions import make_predictions
from sklearn import metrics

from residerm.errors import UsageError
from residerm.scores import Estimate, assess
from residerm.scores.bootstrap import Bootstrap

CLASSES = ("a", "b", "c")


def test_intervals_match_a_loop_over_resampled_rows() -> None:
    """Percentiles of scikit-learn's scores on rows repeated as often as their lesion was drawn."""
    labels, probabilities, lesions = make_predictions(90, 3, ties=True)
    random, values = np.random.default_rng(5), []
    rows_of = [np.flatnonzero(lesions == lesion) for lesion in range(lesions.max() + 1)]
    for _ in range(200):
        rows = np.concatenate([rows_of[lesion] for lesion in random.integers(len(rows_of), size=len(rows_of))])
        predicted = probabilities[rows].argmax(axis=1)
        values.append(
            {
                "balanced_accuracy": metrics.balanced_accuracy_score(labels[rows], predicted),
                "macro_auc": metrics.roc_auc_score(labels[rows], probabilities[rows], multi_class="ovr"),
                "log_loss": metrics.log_loss(labels[rows], probabilities[rows]),
            }
        )
    result = assess(labels, probabilities, CLASSES, lesions, resamples=200, seed=5)
    for name in values[0]:
        low, high = np.percentile([value[name] for value in values], [2.5, 97.5])
        found = result.headline[name]
        assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)


def test_resamples_draw_whole_lesions() -> None:
    groups = np.array([0, 0, 0, 1, 2, 2, 3])
    seen = []

    def values(weights: np.ndarray) -> dict[str, np.ndarray]:
        seen.append(weights)
        return {"sum": weights[:, 0]}

    Bootstrap(500, "lesion", 0).estimates(values, groups)
    assert (seen[0] == 1).all()
    weights = np.concatenate(seen[1:])
    assert weights.shape == (500, 7)
    assert (weights[:, [0, 3, 4, 6]].sum(axis=1) == 4).all()
    assert (weights[:, [0, 0, 4]] == weights[:, [1, 2, 5]]).all()
    assert weights.mean() == pytest.approx(1, abs=0.05)


def test_resamples_are_independent_of_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, probabilities, lesions = make_predictions(100, 3)

    def bounds(seed: int = 0) -> list[float]:
        found = assess(labels, probabilities, CLASSES, lesions, resamples=150, seed=seed).headline
        return [bound for name in ("accuracy", "macro_auc", "log_loss") for bound in found[name].interval or ()]

    whole = bounds()
    assert bounds() == whole
    monkeypatch.setattr("residerm.scores.bootstrap._WEIGHTS_IN_CHUNK", 700)  # seven resamples
    assert bounds() == pytest.approx(whole, rel=1e-12)
    assert bounds(seed=1) != pytest.approx(whole, rel=1e-3)


def test_interval_has_nominal_coverage_for_dependent_images() -> None:
    """Lesions are right or wrong as a whole, so resampling images would cover far less than 95 %."""
    random, lesions = np.random.default_rng(0), np.repeat(np.arange(60), 5)
    probabilities = np.tile([0.4, 0.6], (300, 1))

    def covers(groups: np.ndarray, right: np.ndarray) -> bool:
        found = assess(np.repeat(right, 5), probabilities, "nm", groups, resamples=200).headline["accuracy"]
        return found.relative_to(0.7) == 0

    trials = [(random.random(60) < 0.7).astype(int) for _ in range(100)]
    assert 0.88 <= np.mean([covers(lesions, right) for right in trials]) <= 1
    assert np.mean([covers(np.arange(300), right) for right in trials]) < 0.8


def interval(point: float, values: list[float]) -> Estimate:
    """The result for a score with these values in the resamples."""
    results = [np.array([point]), np.array(values)]
    return Bootstrap(len(values), "patient", 0).estimates(lambda _: {"score": results.pop(0)}, np.zeros(3, int))[
        "score"
    ]


def test_undefined_resamples_are_dropped_if_few() -> None:
    few, many = [np.nan] * 5 + [0.2, 0.4, 0.4, 0.2, 0.4] * 19, [np.nan] * 6 + [0.2, 0.4] * 47
    assert interval(0.3, few) == Estimate(value=0.3, low=0.2, high=0.4)
    assert interval(0.3, many).no_interval == (
        "there are too few patients: 6 % of the resamples leave this score undefined"
    )
    assert "100 %" in str(interval(0.3, [np.nan] * 100).no_interval)


def test_degenerate_interval_is_dropped() -> None:
    assert "the same value" in str(interval(1.0, [1.0] * 100).no_interval)
    assert interval(0.1, [0.2, 0.3] * 50).no_interval == (
        "resampling itself shifts this score: its values would be 0.2 to 0.3"
    )


def test_too_few_resamples_are_refused() -> None:
    with pytest.raises(UsageError, match="resamples: 20 are too few"):
        Bootstrap(20, "lesion", 0)
