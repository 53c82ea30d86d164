"""How fast a training is, by a stretch of its own loop: what `bench` measures, and what a dry run estimates from."""

from __future__ import annotations

import time
from collections.abc import Callable

from residerm.training.loop import Trainer

Stretch = Callable[[int], float]  # a number of steps → images a second


def stretch_of(trainer: Trainer) -> Stretch:
    """The training loop as `residerm train` runs it, without validation; steps go on from those before."""

    def stretch(steps: int) -> float:
        first, began = trainer.state.updates, time.perf_counter()
        trainer.stopping = lambda: "measured" if trainer.state.updates >= first + steps else None
        while not trainer.train_epoch():
            trainer.state.next_epoch()
        done = trainer.state.updates - first
        return done * trainer.options.batch_size / (time.perf_counter() - began)

    return stretch
