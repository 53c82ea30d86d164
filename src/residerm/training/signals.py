"""Handle Ctrl-C and SIGTERM during training: the current step is finished, and a checkpoint is written."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible() -> Iterator[Callable[[], str | None]]:
    """Yield a function that returns which signal was received, or None; a second Ctrl-C stops immediately."""
    received: list[int] = []

    def remember(number: int, _: FrameType | None) -> None:
        received.append(number)
        signal.signal(signal.SIGINT, before[0])

    before = [signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield lambda: f"stopped by {signal.Signals(received[0]).name}" if received else None
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)
