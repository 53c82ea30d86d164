"""Structured log lines on stderr: one per request, without image content, file names or client addresses.

{"time": "2026-01-01T12:00:00.123Z", "level": "info", "event": "request", "request_id": "…", "status": 200, …}
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
import sys
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from typing import TextIO

from residerm.config import LogFormat

logger = logging.getLogger("residerm.service")

_IDS = random.Random()  # ids are no secrets, and the system's generator would be asked for each
_PLAIN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SECONDS_HELD = 0.05


def configure(form: LogFormat) -> None:
    """Send log lines to stderr, as JSON or plain."""
    plain = form == "plain" or (form == "auto" and sys.stderr.isatty())
    handler = _Together(sys.stderr)
    handler.setFormatter(_Lines(plain))
    for name in ("residerm.service", "uvicorn"):
        one = logging.getLogger(name)
        one.handlers, one.propagate = [handler], False
    logger.setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # its normal messages are covered by ours


def log(event: str, level: int = logging.INFO, **fields: object) -> None:
    """Write a line: an event and its fields."""
    if logger.isEnabledFor(level):
        logger.log(level, event, extra={"fields": fields})


def flush() -> None:
    """Write the lines that are held back."""
    for handler in logger.handlers:
        handler.flush()


def new_id() -> str:
    """A new request id."""
    return f"{_IDS.getrandbits(64):016x}"


def request_id_from(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The id in the headers of a request if a client or proxy sent a plain one; otherwise a new one."""
    given = next((value for name, value in headers if name == b"x-request-id"), b"")
    return given.decode("ascii") if _PLAIN_ID.fullmatch(given) else new_id()


class _Together(logging.Handler):
    """Writes the lines of an event loop in groups, because each write releases the GIL.

    Errors, and lines from other threads, are written immediately, after all previous lines. Lines that cannot be
    written, because the reader of the log has ended or the disk is full, are lost: they must not fail a request.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream, self._lines = stream, list[str]()
        self._timer: asyncio.TimerHandle | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))
        loop = _running_loop()
        if loop is None or record.levelno >= logging.ERROR:
            self.flush()
        elif self._timer is None:
            self._timer = loop.call_later(_SECONDS_HELD, self.flush)

    def flush(self) -> None:
        with self.lock or nullcontext():
            lines, self._lines, self._timer = self._lines, [], None
            with suppress(OSError, ValueError):
                self._stream.write("".join(f"{line}\n" for line in lines))
                self._stream.flush()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class _Lines(logging.Formatter):
    """Formats a record as one line."""

    def __init__(self, plain: bool) -> None:
        super().__init__()
        self._plain = plain

    def format(self, record: logging.LogRecord) -> str:
        """JSON, or `time level event key=value …`."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        fields: dict[str, object] = dict(getattr(record, "fields", {}))
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        level, event = record.levelname.lower(), record.getMessage()
        if self._plain:
            pairs = " ".join(f"{name}={value}" for name, value in fields.items())
            return f"{when} {level} {event} {pairs}".rstrip()
        return json.dumps({"time": when, "level": level, "event": event, **fields}, ensure_ascii=False, default=str)
