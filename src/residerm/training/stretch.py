"""Measure the speed of the training loop, for `bench` and the dry run."""

from __future__ import annotations

import time
from collections.abc import Callable

from residerm.training.loop import Trainer

Stretch = Callable[[int], float]  # number of steps → images per second


def stretch_of(trainer: Trainer) -> Stretch:
    """A function that runs some steps of the training loop, without validation, and returns images per second."""

    def stretch(steps: int) -> float:
        first, began = trainer.state.updates, time.perf_counter()
        trainer.stopping = lambda: "measured" if trainer.state.updates >= first + steps else None
        while not trainer.train_epoch():
            trainer.state.next_epoch()
        done = trainer.state.updates - first
        return done * trainer.options.batch_size / (time.perf_counter() - began)

    return stretch
