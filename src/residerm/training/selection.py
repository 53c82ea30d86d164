"""Which epoch's weights are kept: the last one whose validation score cannot be distinguished from the highest.

On some hundred images a score varies by more than it changes over the late epochs, of which the highest is one by
chance; the later one was trained at a lower rate, over more images. This is the rule of one standard error
(Breiman and others, 1984): no further below the highest than that score would vary with other lesions.
"""

from __future__ import annotations

from collections.abc import Callable

from residerm.scores import LOWER_IS_BETTER, is_better
from residerm.training.checkpoint import State


def select(state: State, name: str, score: float | None, error: Callable[[], float]) -> None:
    """Note whether the epoch that has just ended is the highest, and whether it is kept; without a score it is."""
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
