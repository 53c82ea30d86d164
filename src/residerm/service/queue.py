"""The queue of the model: one thread that processes all waiting items as a batch, and returns a result for each.

    queue = BatchQueue(work, batch_size=16)
    queue.start()
    result = await queue.submit(item, deadline=time.monotonic() + 10)
    await queue.drain()

A batch holds the items that arrived while the previous one was processed, so no item waits for others. Items that were
cancelled or are past their deadline are dropped before they are processed. Every accepted item ends in a result, an
error or a cancellation. An error in one batch does not end the thread.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Late(Exception):
    """The deadline of an item passed while it waited."""


class Ended(Exception):
    """The queue accepts no more items."""


@dataclass(frozen=True)
class _Job(Generic[Item, Result]):
    item: Item
    deadline: float
    future: asyncio.Future[Result]


class BatchQueue(Generic[Item, Result]):
    """Calls a function on batches, in one thread. The length of the queue is limited by its callers."""

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        *,
        batch_size: int,
        observe: Callable[[int, float], None] = lambda *_: None,
    ) -> None:
        """`work` returns a result or an error for each item of a batch.

        `observe` is called with the size and seconds of each batch, on the event loop.
        """
        self._work, self._batch_size, self._observe = work, batch_size, observe
        self._jobs: deque[_Job[Item, Result]] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._busy_since: float | None = None
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    def start(self) -> None:
        """Start the thread; results are delivered on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def __len__(self) -> int:
        return len(self._jobs)

    def is_well(self, longest: float) -> bool:
        """Whether the thread is alive and its current batch has not taken longer than `longest` seconds."""
        since = self._busy_since
        return self._thread.is_alive() and (since is None or time.monotonic() - since < longest)

    def submit(self, item: Item, deadline: float) -> asyncio.Future[Result]:
        """Add an item to the queue, and return a future for its result."""
        if self._ending:
            raise Ended
        job = _Job(item, deadline, self._loop.create_future())
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()
        return job.future

    async def drain(self) -> None:
        """Accept no more items, process the waiting ones, and end the thread."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while jobs := self._next():
            started = self._busy_since = time.monotonic()
            try:
                results: Sequence[Result | Exception] = self._work([job.item for job in jobs])
            except Exception as error:  # an exception of the model is the result of these jobs only
                results = [error] * len(jobs)
            self._busy_since = None
            self._call(self._deliver, jobs, results, time.monotonic() - started)

    def _next(self) -> list[_Job[Item, Result]]:
        """Wait for the next batch; empty when the queue has ended."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._jobs or self._ending)
                jobs = [self._jobs.popleft() for _ in range(min(self._batch_size, len(self._jobs)))]
                wanted = [job for job in jobs if self._is_wanted(job)]
                if wanted or (self._ending and not self._jobs):
                    return wanted

    def _is_wanted(self, job: _Job[Item, Result]) -> bool:
        late = time.monotonic() > job.deadline
        if late:
            self._call(_settle, job.future, Late())
        return not late and not job.future.cancelled()

    def _deliver(
        self, jobs: Sequence[_Job[Item, Result]], results: Sequence[Result | Exception], seconds: float
    ) -> None:
        for job, result in zip(jobs, results, strict=True):
            _settle(job.future, result)
        self._observe(len(jobs), seconds)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)


def _settle(future: asyncio.Future[Result], result: Result | Exception) -> None:
    """Set the result or error of a future, unless it was cancelled."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
