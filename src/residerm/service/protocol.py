"""uvicorn's HTTP/1.1 on httptools, with additional limits.

uvicorn waits forever for the headers of a request that a client sends byte by byte, and for the rest of a body whose
request was answered early. Here, a connection without a complete request head is closed after `HEADER_SECONDS`.
httptools accepts headers of any size. Here, they are limited to `HEAD_BYTES`, checked after each read. Malformed
HTTP is answered with problem details, like every other error.

If a request is refused before its body has arrived, the connection stays open and the rest of the body is discarded:
closing it could lose the answer, and would require a new connection for the next attempt.
"""

from __future__ import annotations

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from residerm.service.gate import GATE, Gate
from residerm.service.limits import CROWDED
from residerm.service.logs import new_id, request_id_from
from residerm.service.problems import Problem
from residerm.service.security import HEADERS

HEADER_SECONDS = 10.0
HEAD_BYTES = 65_536
_HELD_BYTES = 262_144  # buffered of a body; pausing and resuming a socket is slower than reading most images

_WITH_BODY = (b"content-length", b"transfer-encoding")


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a timeout and a size limit for incomplete requests."""

    _patience: asyncio.TimerHandle | None = None
    _unparsed = 0  # bytes since the last complete head or part of a body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout."""
        super().connection_made(transport)
        self._connections, self.limit_concurrency = self.limit_concurrency, None
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Process data, and start or stop the timeout."""
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("the headers of a request are limited to 64 kB")
        self._watch()

    def on_headers_complete(self) -> None:
        """Pass a request to the application, unless it is refused."""
        self._unparsed = 0
        if problem := self._refusal():
            self._refuse(problem)
            return
        self.scope["state"][CROWDED] = self._connections is not None and len(self.connections) > self._connections
        super().on_headers_complete()
        if self.expect_100_continue:  # a refused client may or may not send its body
            self.cycle.keep_alive = False

    def _refusal(self) -> Problem | None:
        """The reason to refuse a request without calling the application, if there is one."""
        if self.cycle is not None and not self.cycle.response_complete:
            return None  # pipelined behind another one
        if self.parser.should_upgrade() and any(name in _WITH_BODY for name, _ in self.headers):
            return Problem("malformed", "requests with a body cannot be upgraded; send the request without `Upgrade`")
        gate = self._gate()
        return gate.refusal(self.parser.get_method().decode("ascii"), self._path()) if gate else None

    def _refuse(self, problem: Problem) -> None:
        """Answer a request without calling the application."""
        upgrades = self.parser.should_upgrade()
        stays = self.parser.should_keep_alive() and not self.expect_100_continue and not upgrades
        self.cycle = _ANSWERED
        self._answer(problem, self._path(), request_id_from(self.headers), stays)
        if not stays:
            self.transport.close()
        self.on_response_complete()

    def _answer(self, problem: Problem, path: str, request_id: str, stays: bool) -> None:
        self.transport.write(_whole(problem, request_id, stays))
        if gate := self._gate():
            gate.refused(path, problem, request_id)

    def _gate(self) -> Gate | None:
        return self.app_state.get(GATE)

    def _path(self) -> str:
        return self.url.partition(b"?")[0].decode("ascii", "replace")

    def on_body(self, body: bytes) -> None:
        """Buffer a part of a body."""
        self._unparsed = 0
        if self.cycle.response_complete:
            return
        self.cycle.body += body
        if len(self.cycle.body) > _HELD_BYTES:
            self.flow.pause_reading()
        self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        """Mark a body as complete."""
        self._unparsed = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the timeout for the next request."""
        super().on_response_complete()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Answer malformed HTTP, unless a response has started, and close."""
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self._answer(Problem("malformed", msg), "", new_id(), stays=False)
        self.transport.close()

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


class _Answered:
    """The cycle of a refused request, while the rest of its body arrives."""

    response_started = response_complete = True
    keep_alive = disconnected = False
    message_event = asyncio.Event()


_ANSWERED = cast(RequestResponseCycle, _Answered())


def _whole(problem: Problem, request_id: str, stays: bool) -> bytes:
    """The bytes of a response."""
    answer = problem.response(request_id)
    own = ((b"x-request-id", request_id.encode()), *(() if stays else ((b"connection", b"close"),)))
    lines = [name + b": " + value + b"\r\n" for name, value in (*answer.raw_headers, *own)]
    return b"".join((STATUS_LINE[answer.status_code], *lines, _SAFE, b"\r\n", bytes(answer.body)))


_SAFE = b"".join(name + b": " + value + b"\r\n" for name, value in HEADERS.items())
