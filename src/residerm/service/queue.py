"""The queue of the model: threads that process the waiting items in batches, and return a result for each.

    queue = BatchQueue(work, batch_size=16, threads=2)
    queue.start()
    result = await queue.submit(item, deadline=time.monotonic() + 10)
    await queue.drain()

A free thread takes its share of the waiting items, so no item waits for a batch to fill, and the results of one batch
are sent while another one is processed. Items that were cancelled or are past their deadline are dropped before they
are processed. Every accepted item ends in a result, an error or a cancellation. An error in one batch does not end a
thread.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

_FEW = 6  # items that are not worth dividing

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


@dataclass(frozen=True)
class _Batch(Generic[Item, Result]):
    jobs: Sequence[_Job[Item, Result]]
    started: float
    alone: bool


class BatchQueue(Generic[Item, Result]):
    """Calls a function on batches, in threads. The length of the queue is limited by its callers."""

    def __init__(
        self,
        work: Callable[[Sequence[Item], bool], Sequence[Result | Exception]],
        *,
        batch_size: int,
        threads: int = 1,
        observe: Callable[[int, float], None] = lambda *_: None,
    ) -> None:
        """`work` returns a result or an error for each item of a batch; its second argument tells whether this batch is
        the only one at the moment.

        `observe` is called with the size and seconds of each batch, on the event loop.
        """
        self._work, self._batch_size, self._observe = work, batch_size, observe
        self._jobs: deque[_Job[Item, Result]] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._loop: asyncio.AbstractEventLoop
        self._threads = [
            threading.Thread(target=self._run, name=f"model {number}", daemon=True) for number in range(threads)
        ]
        self._busy: dict[threading.Thread, float] = {}  # and since when

    def start(self) -> None:
        """Start the threads; results are delivered on the running event loop."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    def __len__(self) -> int:
        return len(self._jobs)

    def is_well(self, longest: float) -> bool:
        """Whether the threads are alive and no batch has taken longer than `longest` seconds."""
        stuck = any(time.monotonic() - since >= longest for since in list(self._busy.values()))
        return not stuck and all(thread.is_alive() for thread in self._threads)

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
        """Accept no more items, process the waiting ones, and end the threads."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _run(self) -> None:
        while batch := self._next():
            try:
                results = self._work([job.item for job in batch.jobs], batch.alone)
            except Exception as error:  # an exception of the model is the result of these jobs only
                results = [error] * len(batch.jobs)
            del self._busy[threading.current_thread()]
            self._call(self._deliver, batch.jobs, results, time.monotonic() - batch.started)

    def _next(self) -> _Batch[Item, Result] | None:
        """Wait for the next batch; None when the queue has ended."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._jobs or self._ending)
                wanted = [job for job in self._share() if self._is_wanted(job)]
                if wanted:
                    batch = _Batch(wanted, time.monotonic(), alone=not (self._jobs or self._busy))
                    self._busy[threading.current_thread()] = batch.started
                    return batch
                if self._ending and not self._jobs:
                    return None

    def _share(self) -> list[_Job[Item, Result]]:
        """What this thread takes of the waiting items; the rest is left to the others, which will be free soon."""
        share = -(-len(self._jobs) // len(self._threads))
        if self._busy:
            share = max(share, _FEW)
        return [self._jobs.popleft() for _ in range(min(share, self._batch_size, len(self._jobs)))]

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
