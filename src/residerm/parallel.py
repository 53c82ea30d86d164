"""Process rows in as many threads as there are cores, with bounded memory and a clean exit on Ctrl-C.

Threads are used instead of processes because Pillow and zlib release the GIL, and threads share the mapped files.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

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


def blas_in_one_thread() -> AbstractContextManager[object]:
    """Limit NumPy's linear algebra to the calling thread, in the whole process.

    Products that several threads compute at the same time would otherwise share threads, which wait for each other.
    """
    limits: AbstractContextManager[object] = _blas().limit(limits=1)
    return limits


@cache
def _blas() -> Any:
    """NumPy's library for linear algebra, which takes a millisecond to find."""
    import numpy as np  # noqa: F401
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController().select(user_api="blas")


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
