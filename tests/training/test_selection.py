"""Selection of the epoch, and the standard error of its score."""

import numpy as np
import pytest
from torch import nn

from residerm.scores import headline_scores, standard_error
from residerm.training.checkpoint import State
from residerm.training.recipe import MovingAverage
from residerm.training.selection import select


def selected_epochs(name: str, scores: list[float | None], error: float) -> list[int]:
    """The epoch selected after each one."""
    state = State(nn.Identity(), MovingAverage(nn.Identity(), nn.Identity(), 0.0), optimizer=None)  # type: ignore[arg-type]
    epochs = []
    for score in scores:
        select(state, name, score, lambda: error)
        epochs.append(state.kept_epoch)
        state.next_epoch()
    return epochs


@pytest.mark.parametrize(
    ("name", "scores", "error", "epochs"),
    [
        ("macro_auc", [0.70, 0.90, 0.88, 0.91, 0.89], 0.0, [1, 2, 2, 4, 4]),
        ("macro_auc", [0.70, 0.90, 0.895, 0.88, 0.893, 0.85], 0.01, [1, 2, 3, 3, 5, 5]),
        ("macro_auc", [0.70, 0.90, 0.895, 0.92, 0.90], 0.01, [1, 2, 3, 4, 4]),
        ("log_loss", [0.9, 0.7, 0.705, 0.72, 0.6, 0.609], 0.01, [1, 2, 3, 3, 5, 6]),
        ("macro_auc", [None, None], 0.01, [1, 2]),
    ],
)
def test_last_epoch_within_one_standard_error_is_selected(
    name: str, scores: list[float | None], error: float, epochs: list[int]
) -> None:
    assert selected_epochs(name, scores, error) == epochs


def test_standard_error_matches_the_formula() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 2000)
    right = random.random(2000) < 0.8
    probabilities = np.eye(2)[np.where(right, labels, 1 - labels)] * 0.8 + 0.1
    found = standard_error(labels, probabilities, np.arange(2000), "accuracy")
    assert found == pytest.approx(np.sqrt(right.mean() * (1 - right.mean()) / 2000), rel=0.1)


def test_images_of_one_lesion_count_as_one() -> None:
    random = np.random.default_rng(0)
    labels, probabilities = random.integers(0, 3, 300), random.dirichlet(np.ones(3), 300)
    single = standard_error(labels, probabilities, np.arange(300), "macro_auc")
    copies = [np.repeat(values, 4, axis=0) for values in (labels, probabilities, np.arange(300))]
    assert standard_error(*copies, "macro_auc") == pytest.approx(single, rel=0.02)  # type: ignore[call-arg]


def test_standard_error_is_zero_if_undefined() -> None:
    labels, probabilities = np.array([0, 0, 0, 1]), np.full((4, 2), 0.5)
    estimate = headline_scores(labels, probabilities, ["a", "b"], np.arange(4))["macro_auc"]
    assert "low" not in estimate
    assert standard_error(labels, probabilities, np.arange(4), "macro_auc") == 0.0
