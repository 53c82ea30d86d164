"""Structured log lines on stderr: one per request, without image content, file names or client addresses.

{"time": "2026-01-01T12:00:00.123Z", "level": "info", "event": "request", "request_id": "…", "status": 200, …}
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from residerm.config import LogFormat

logger = logging.getLogger("residerm.service")


def configure(form: LogFormat) -> None:
    """Send log lines to stderr, as JSON or plain."""
    plain = form == "plain" or (form == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
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
