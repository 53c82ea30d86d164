"""The outermost layer around each request: its id, the guard, the response headers, its log line and its metrics.

It is plain ASGI middleware, so that it is fast and sees all responses, including those of the framework. No request can
make it raise an exception.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from residerm.service.logs import log, logger
from residerm.service.metrics import Metrics
from residerm.service.problems import Problem
from residerm.service.security import HEADERS, Guard
from residerm.service.worker import Gone

ROUTES = frozenset(
    {"/", "/v1/predict", "/v1/explain", "/v1/model", "/healthz", "/readyz", "/metrics", "/openapi.json", "/page.js"}
    | {"/style.css"}
)
_WITH_IMAGES = frozenset({"/v1/predict", "/v1/explain"})
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_IDS = random.Random()  # ids are not secret, and this is faster than the system's generator
_GONE = 499  # as nginx logs a client that closed the connection; never sent


class Front:
    """The outermost layer of the application."""

    def __init__(
        self, app: ASGIApp, *, guard: Guard, metrics: Metrics, require_room: Callable[[], None] = lambda: None
    ) -> None:
        """Wrap an application; `require_room` refuses images that would wait too long."""
        self._app, self._guard, self._metrics, self._require_room = app, guard, metrics, require_room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, started = Headers(scope=scope), time.monotonic()
        request_id = _request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        try:
            self._guard.check(scope["path"], headers)
            if scope["path"] in _WITH_IMAGES:  # checked early, because under overload most requests are refused
                self._require_room()
            await self._app(scope, receive, answer.send)
        except Gone:
            answer.status = _GONE
        except Exception as error:
            await self._refuse(error, scope, receive, answer)
        self._record(scope, answer, request_id, time.monotonic() - started)

    async def _refuse(self, error: Exception, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Respond to an exception; a defect is logged with its traceback, which the client does not see."""
        if isinstance(error, Problem):
            problem = error
        else:
            logger.error("failed", exc_info=error, extra={"fields": {"request_id": answer.request_id}})
            problem = Problem("internal", "this is a defect of the service; see the log for this request id")
        if answer.status:  # the response has already begun
            return
        self._metrics.problem(problem.kind)
        await problem.response(answer.request_id)(scope, receive, answer.send)

    def _record(self, scope: Scope, answer: _Answer, request_id: str, seconds: float) -> None:
        route = scope["path"] if scope["path"] in ROUTES else "other"
        self._metrics.request(route, answer.status, seconds)
        if route not in _QUIET:
            level = logging.WARNING if answer.status >= 500 else logging.INFO
            log(
                "request",
                level,
                request_id=request_id,
                method=scope["method"],
                route=route,
                status=answer.status,
                ms=round(seconds * 1000, 1),
            )


class _Answer:
    """A response that is being sent, to which the common headers are added."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send, self.request_id, self.status = send, request_id, 0

    async def send(self, message: Message) -> None:
        """Send a message, with the common headers if it begins the response."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name.lower() for name, _ in message["headers"]}
            extra = [(name, value) for name, value in HEADERS.items() if name not in present]
            message["headers"] = [*message["headers"], *extra, (b"x-request-id", self.request_id.encode())]
        await self._send(message)


def _request_id(headers: Headers) -> str:
    """The id that a client or proxy gave, if it is valid, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _ID.fullmatch(given) else f"{_IDS.getrandbits(64):016x}"
