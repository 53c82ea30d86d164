"""How much is taken on: requests of one client, images in the queue, bytes in memory.

Everything here is called from the event loop alone, so that nothing needs a lock. What is over a limit is refused at
once, before its body is read where that is possible; nothing waits here. The queue is bounded by what is ahead of a
request, so that an idle service takes a request of any size that is allowed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from residerm.service.problems import Problem

_SMALLEST_BUFFER = 64_000_000


class Limits:
    """The counts of one worker, and their bounds."""

    def __init__(self, *, queue: int, client_requests: int, max_bytes: int, deadline: float) -> None:
        """Take the bounds; all bodies together may take twice the largest request, and 64 MB at least."""
        self._queue, self._client_requests, self._max_bytes = queue, client_requests, max_bytes
        self._deadline = deadline
        self._buffer = max(2 * max_bytes, _SMALLEST_BUFFER)
        self._requests: Counter[str] = Counter()
        self.images = 0
        self.bytes = 0
        self.seconds_per_image = 0.02  # an estimate for Retry-After, corrected by every batch

    @contextmanager
    def client(self, address: str) -> Iterator[None]:
        """Count a request of a client for as long as it is worked on."""
        if self._requests[address] >= self._client_requests:
            raise Problem(
                "too-many",
                f"this client has {self._client_requests} requests under way; wait for their answers",
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
        """Refuse a request that would find the queue full, or would come to the model after its deadline."""
        if self.images >= self._queue or self.images * self.seconds_per_image > self._deadline:
            raise Problem("busy", f"{self.images} images are waiting; try again later", retry_after=self._seconds())

    @contextmanager
    def room(self, images: int) -> Iterator[None]:
        """Take places in the queue."""
        self.require_room()
        self.images += images
        try:
            yield
        finally:
            self.images -= images

    @contextmanager
    def body(self) -> Iterator[Body]:
        """Count a body's bytes while it is held."""
        body = Body(self)
        try:
            yield body
        finally:
            self.bytes -= body.size

    def grow(self, size: int, more: int) -> None:
        """Take more bytes for a body of some size, or refuse them."""
        if size + more > self._max_bytes:
            raise too_large(self._max_bytes)
        if self.bytes + more > self._buffer:
            raise Problem("busy", "too many uploads are under way; try again later", retry_after=self._seconds())
        self.bytes += more

    def _seconds(self) -> int:
        return max(1, math.ceil(self.images * self.seconds_per_image))


class Body:
    """The bytes of one request, counted while they come in."""

    def __init__(self, limits: Limits) -> None:
        """Start with nothing."""
        self._limits, self.size = limits, 0

    def grow(self, more: int) -> None:
        """Count more bytes; refuse them where they are too many."""
        self._limits.grow(self.size, more)
        self.size += more


def too_large(max_bytes: int) -> Problem:
    """The problem of a request over the limit of bytes."""
    return Problem("too-large", f"a request may have {max_bytes / 1e6:g} MB; send fewer or smaller images")
