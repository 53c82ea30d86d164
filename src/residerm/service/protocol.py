"""uvicorn's HTTP/1.1 with an additional timeout, and with responses sent in one write.

uvicorn waits forever for the headers of a request that a client sends byte by byte, and for the rest of a body whose
request was answered early. Here, a connection without a complete request head is closed after `HEADER_SECONDS`.
uvicorn writes the head and the body of a response separately, each of which wakes the client and releases the GIL;
here they are written together.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0


class JoinedWrites:
    """A transport that buffers writes until it is flushed, at the latest in the next iteration of the event loop."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Wrap a transport; all methods except `write` and `close` are delegated to it."""
        self._transport, self._loop = transport, loop
        self._held = bytearray()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Buffer data."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held += data

    def flush(self) -> None:
        """Send the buffered data."""
        if self._held:
            held, self._held = self._held, bytearray()
            self._transport.write(held)

    def close(self) -> None:
        """Send the buffered data, and close."""
        self.flush()
        self._transport.close()


class PatientProtocol(H11Protocol):
    """uvicorn's protocol with a timeout for incomplete requests."""

    _patience: asyncio.TimerHandle | None = None
    _joined: JoinedWrites

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout."""
        self._joined = JoinedWrites(transport, self.loop)
        super().connection_made(cast(asyncio.Transport, self._joined))
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Process data, and start or stop the timeout."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Send the response, and start the timeout for the next request."""
        self._joined.flush()
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timeout."""
        self._stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        waiting = self.cycle is None or self.cycle.response_complete
        if not waiting:
            self._stop()
        elif self._patience is None and not self.transport.is_closing():
            self._patience = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
