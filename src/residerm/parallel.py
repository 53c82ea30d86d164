"""Process rows in as many threads as there are cores, with bounded memory and a clean exit on Ctrl-C.

Threads are used instead of processes because Pillow and zlib release the GIL, and threads share the mapped files.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

from residerm.progress import Count

_CHUNK = 64


def in_chunks(rows: int, work: Callable[[int, int], None], count: Count | None = None) -> None:
    """Call `work(start, stop)` for chunks of rows until all are done; the first error stops the work."""
    starts, lock, stopped, done = iter(range(0, rows, _CHUNK)), threading.Lock(), threading.Event(), 0

    def next_start() -> int | None:
        with lock:
            return None if stopped.is_set() else next(starts, None)

    def worker() -> None:
        nonlocal done
        for start in iter(next_start, None):
            stop = min(start + _CHUNK, rows)
            work(start, stop)
            with lock:
                done += stop - start
                if count:
                    count(done, rows)

    with ThreadPoolExecutor(cores()) as pool:
        try:
            for running in [pool.submit(worker) for _ in range(cores())]:
                running.result()
        finally:
            stopped.set()  # the other threads finish their chunk and exit


@contextmanager
def blas_in_one_thread() -> Iterator[None]:
    """Limit NumPy's linear algebra to the calling thread, in the whole process.

    Products that several threads compute at the same time would otherwise share threads, which wait for each other.
    Callers may overlap in any order: the last one to leave ends the limit.
    """
    blas = _blas()
    blas.enter()
    try:
        yield
    finally:
        blas.leave()


class _Blas:
    """NumPy's library for linear algebra, and how many callers limit it."""

    def __init__(self) -> None:
        import numpy as np  # noqa: F401
        from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

        self._library = ThreadpoolController().select(user_api="blas")
        self._lock, self._callers = threading.Lock(), 0

    def enter(self) -> None:
        with self._lock:
            if not self._callers:
                self._limit = self._library.limit(limits=1)
            self._callers += 1

    def leave(self) -> None:
        with self._lock:
            self._callers -= 1
            if not self._callers:
                self._limit.restore_original_limits()


@cache
def _blas() -> _Blas:
    """Found once, because it takes milliseconds."""
    return _Blas()


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
