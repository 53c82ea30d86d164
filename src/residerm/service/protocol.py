"""HTTP/1.1 as uvicorn speaks it, with one more timeout, and with answers that leave in one piece.

uvicorn waits without end for the headers of a request that a client sends a byte at a time, and for the rest of a
body whose request was answered early. Here a connection that has no request to be answered gets one within
`HEADER_SECONDS`, or is closed. uvicorn sends the head of an answer and its body one after another, each of which
wakes the client and gives up the interpreter; here they are sent together.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0


class JoinedWrites:
    """A transport that holds what is written until it is flushed: by whoever writes, or in the loop's next turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Take a transport; everything but writing is its own."""
        self._transport, self._loop = transport, loop
        self._held = bytearray()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Hold some data."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held += data

    def flush(self) -> None:
        """Send what is held."""
        if self._held:
            held, self._held = self._held, bytearray()
            self._transport.write(held)

    def close(self) -> None:
        """Send what is held, and close."""
        self.flush()
        self._transport.close()


class PatientProtocol(H11Protocol):
    """uvicorn's protocol, whose patience with unfinished requests ends."""

    _patience: asyncio.TimerHandle | None = None
    _joined: JoinedWrites

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        self._joined = JoinedWrites(transport, self.loop)
        super().connection_made(cast(asyncio.Transport, self._joined))
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came in."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Send the answer, and begin to wait for the next request."""
        self._joined.flush()
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
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
