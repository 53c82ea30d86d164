"""Ctrl-C and SIGTERM end a command also if they meet code that loses or replaces their exception.

Python drops an exception raised in a callback, such as a finaliser; it is raised again a moment later. Libraries turn
`KeyboardInterrupt` into errors of their own; `received` tells these from real ones.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

_SECONDS_UNTIL_AGAIN = 0.05
_EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
_received: list[signal.Signals] = []


def handle_signals() -> None:
    """Raise an exception on Ctrl-C and SIGTERM, so that partial output is removed."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it may be ignored, as in the background
        signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, lambda _, frame: _stop(_received[-1], frame))
        sys.unraisablehook = _again


def received() -> int | None:
    """The exit code for the signal that was received; None if there was none."""
    return _EXIT_CODES[_received[-1]] if _received else None


def _stop(number: int, _: FrameType | None) -> None:
    _received.append(signal.Signals(number))
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(_EXIT_CODES[signal.SIGTERM])


def _again(lost: sys.UnraisableHookArgs) -> None:
    """Stop again soon if the lost exception was that of a signal; report any other."""
    if _received and isinstance(lost.exc_value, KeyboardInterrupt | SystemExit):
        signal.setitimer(signal.ITIMER_REAL, _SECONDS_UNTIL_AGAIN)
    else:
        sys.__unraisablehook__(lost)
