"""Draw in several processes: drawing consists of many short NumPy calls, so threads would wait for the GIL."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from residerm.errors import ResidermError

Item = TypeVar("Item")
Result = TypeVar("Result")

_CHUNK = 16


def mapped(work: Callable[[Item], Result], items: Sequence[Item], processes: int) -> Generator[Result]:
    """Iterate over the results in the order of the items; closing the iterator stops the processes after a chunk."""
    if processes == 1:
        yield from map(work, items)
        return
    pool = ProcessPoolExecutor(processes, initializer=_belong_to_parent)
    try:
        yield from pool.map(work, items, chunksize=_CHUNK)
    except BrokenProcessPool as error:
        raise ResidermError("a process was killed, perhaps because memory ran out: try again") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _belong_to_parent() -> None:
    """Leave Ctrl-C to the parent, and exit when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
