"""The memory budget that all threads share for decoding: a thread that needs more than is free waits for the others.

No image may need more than the whole budget (see `limits`), so that every thread eventually proceeds.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

MOST = 500_000_000  # bytes


class Budget:
    """An amount of memory that threads share."""

    def __init__(self, size: int) -> None:
        """Start with all of it free."""
        self.size = self.free = size
        self._first_in_line = threading.Lock()  # large requests are not starved by small ones
        self._changed = threading.Condition()

    @contextmanager
    def reserved(self, amount: int) -> Iterator[None]:
        """Reserve this amount during the block, waiting until it is free."""
        with self._first_in_line, self._changed:
            self._changed.wait_for(lambda: self.free >= amount)
            self.free -= amount
        try:
            yield
        finally:
            with self._changed:
                self.free += amount
                self._changed.notify_all()


BUDGET = Budget(MOST)
