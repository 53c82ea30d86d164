"""Select the epoch whose weights are kept: the last one within one standard error of the best validation score.

On a few hundred images, the sampling error of a score is larger than its differences between the late epochs, so the
best of them is best by chance; a later one was trained longer and at a lower rate. This is the one-standard-error rule
(Breiman et al. 1984), with the standard error over lesions.
"""

from __future__ import annotations

from collections.abc import Callable

from residerm.scores import LOWER_IS_BETTER, is_better
from residerm.training.checkpoint import State


def select(state: State, name: str, score: float | None, error: Callable[[], float]) -> None:
    """Update the best and the kept epoch after an epoch; without a score, the last epoch is kept."""
    epoch = state.epoch + 1
    if score is None:
        state.kept_epoch = state.best_epoch = epoch
        return
    if is_better(name, score, state.best_score):
        state.best_score, state.best_error, state.best_epoch = score, error(), epoch
    assert state.best_score is not None
    behind = (score - state.best_score) * (1 if name in LOWER_IS_BETTER else -1)
    if behind <= state.best_error:
        state.kept_epoch = epoch
