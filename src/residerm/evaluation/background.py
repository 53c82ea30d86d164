"""Work in a second thread, while the first one does what does not need it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from residerm.evaluation.predictions import Progress

Result = TypeVar("Result")


class _Abandoned(Exception):
    """Nobody waits for the work any more."""


@contextmanager
def in_background(work: Callable[[Progress], Result], progress: Progress) -> Iterator[Future[Result]]:
    """Begin the work; where the first thread fails or is interrupted, the work stops at its next step."""
    abandoned = threading.Event()

    def step(done: int, total: int) -> None:
        if abandoned.is_set():
            raise _Abandoned
        progress(done, total)

    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            yield thread.submit(work, step)
        except BaseException:
            abandoned.set()
            raise
