"""Limits of a worker: requests per client, images in the queue, bytes in memory.

Everything here is called only from the event loop, so no lock is needed. Requests over a limit are refused at once, if
possible before their body is read; nothing waits here. The queue is bounded by the images ahead of a request, so that
an idle service accepts a request of any allowed size.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from residerm.service.problems import Problem

CROWDED = "crowded"  # in the state of a request that came over one connection too many
_SMALLEST_BUFFER = 64_000_000


class Limits:
    """The counters of one worker, and their limits."""

    def __init__(self, *, queue: int, client_requests: int, max_bytes: int, deadline: float) -> None:
        """All bodies together may take twice the largest request, but at least 64 MB."""
        self._queue, self._client_requests, self._max_bytes = queue, client_requests, max_bytes
        self._deadline = deadline
        self._buffer = max(2 * max_bytes, _SMALLEST_BUFFER)
        self._requests: Counter[str] = Counter()
        self.images = 0
        self.bytes = 0
        self.seconds_per_image = 0.02  # an estimate for Retry-After, updated after each batch

    @contextmanager
    def client(self, address: str) -> Iterator[None]:
        """Count a request of a client while it is processed."""
        if self._requests[address] >= self._client_requests:
            raise Problem(
                "too-many",
                f"this client already has {self._client_requests} concurrent requests; wait for their responses",
                retry_after=self._seconds(),
            )
        self._requests[address] += 1
        try:
            yield
        finally:
            self._requests[address] -= 1
            if not self._requests[address]:
                del self._requests[address]

    def require_room(self) -> None:
        """Refuse a request if the queue is full, or if it would reach the model after its deadline."""
        if self.images >= self._queue or self.images * self.seconds_per_image > self._deadline:
            raise Problem("busy", f"{self.images} images are waiting; try again later", retry_after=self._seconds())

    @contextmanager
    def room(self, images: int) -> Iterator[None]:
        """Occupy places in the queue."""
        self.require_room()
        self.images += images
        try:
            yield
        finally:
            self.images -= images

    @contextmanager
    def body(self) -> Iterator[Body]:
        """Count the bytes of a body while it is in memory."""
        body = Body(self)
        try:
            yield body
        finally:
            self.bytes -= body.size

    def grow(self, size: int, more: int) -> None:
        """Count `more` bytes of a body that has `size` so far, or refuse them."""
        if size + more > self._max_bytes:
            raise too_large(self._max_bytes)
        if self.bytes + more > self._buffer:
            raise Problem("busy", "too many concurrent uploads; try again later", retry_after=self._seconds())
        self.bytes += more

    def _seconds(self) -> int:
        return max(1, math.ceil(self.images * self.seconds_per_image))


class Body:
    """Counts the bytes of one request while they are received."""

    def __init__(self, limits: Limits) -> None:
        """Start at zero."""
        self._limits, self.size = limits, 0

    def grow(self, more: int) -> None:
        """Count more bytes, or refuse them if they are too many."""
        self._limits.grow(self.size, more)
        self.size += more


def too_large(max_bytes: int) -> Problem:
    """The problem of a request that is too large."""
    return Problem("too-large", f"the limit of a request is {max_bytes / 1e6:g} MB; send fewer or smaller images")
