"""Work in a second thread, while the first one does what does not need it."""

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
    """Nobody waits for the work any more."""


class _Abandonable(Relay):
    """Ends the work at its next step once nobody waits for it."""

    def __init__(self, heard_by: Progress) -> None:
        super().__init__(heard_by)
        self.abandoned = threading.Event()

    @override
    def advance(self, stage: str, done: int, total: int | None, *, unit: str = "images", note: str = "") -> None:
        if self.abandoned.is_set():
            raise _Abandoned
        super().advance(stage, done, total, unit=unit, note=note)


@contextmanager
def in_background(work: Callable[[Progress], Result], progress: Progress) -> Iterator[Future[Result]]:
    """Begin the work; where the first thread fails or is interrupted, the work stops at its next step."""
    abandonable = _Abandonable(progress)
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            yield thread.submit(work, abandonable)
        except BaseException:
            abandonable.abandoned.set()
            raise
