"""The memory that all threads together may take for decoding: whoever needs more than is left waits for the others.

No single decode may ask for more than all there is (see `limits`), so that every thread gets its turn.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

MOST = 500_000_000  # bytes


class Budget:
    """An amount of memory that threads share."""

    def __init__(self, size: int) -> None:
        """All of it is free."""
        self.size = self.free = size
        self._first_in_line = threading.Lock()  # a large request is not overtaken by small ones for ever
        self._changed = threading.Condition()

    @contextmanager
    def reserved(self, amount: int) -> Iterator[None]:
        """Hold this amount while the block runs; wait until it is free."""
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
