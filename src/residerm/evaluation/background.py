"""Run a function in a second thread while the first continues."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from typing_extensions import override

from residerm.progress import Progress, Relay

Result = TypeVar("Result")


class _Abandoned(Exception):
    """The result of the work is no longer needed."""


class _Abandonable(Relay):
    """Stops the work at its next step once its result is no longer needed."""

    def __init__(self, target: Progress) -> None:
        super().__init__(target)
        self.abandoned = threading.Event()

    @override
    def advance(self, stage: str, done: int, total: int | None, *, unit: str = "images", note: str = "") -> None:
        if self.abandoned.is_set():
            raise _Abandoned
        super().advance(stage, done, total, unit=unit, note=note)


@contextmanager
def in_background(work: Callable[[Progress], Result], progress: Progress) -> Iterator[Future[Result]]:
    """Run `work` in a second thread; if the first fails or is interrupted, the work stops at its next step."""
    abandonable = _Abandonable(progress)
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            yield thread.submit(work, abandonable)
        except BaseException:
            abandonable.abandoned.set()
            raise
