"""What surrounds every request: its id, the guard, the headers of its answer, its line in the log, its metrics.

Plain ASGI, so that it costs little and sees every answer, the framework's own included. Nothing that a request can
cause leaves here as an exception.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from residerm.service.gate import WITH_IMAGES
from residerm.service.limits import CROWDED
from residerm.service.logs import log, logger, request_id_from
from residerm.service.metrics import Metrics
from residerm.service.problems import Problem
from residerm.service.security import HEADERS, Guard
from residerm.service.worker import Gone

ROUTES = frozenset(
    {"/v1/predict", "/v1/explain", "/v1/model", "/healthz", "/readyz", "/metrics", "/openapi.json"}
    | {"/", "/style.css", "/page.js", "/answer.js"}
)
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_GONE = 499  # as nginx logs a client that closed the connection; never sent


class Front:
    """The outermost layer of the application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        guard: Guard,
        metrics: Metrics,
        require_room: Callable[[], None] = lambda: None,
        direct: Mapping[tuple[str, str], ASGIApp] = {},
    ) -> None:
        """Wrap an application.

        `require_room` refuses images that would wait too long. `direct` maps a method and a path to an application that
        is called instead of the framework, whose routing is slower than the rest of such a request.
        """
        self._app, self._guard, self._metrics, self._require_room = app, guard, metrics, require_room
        self._direct = direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, started = _headers(scope), time.monotonic()
        request_id = request_id_from(scope["headers"])
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        try:
            if scope["state"].get(CROWDED):
                raise Problem("busy", "too many connections are open; try again later", retry_after=1)
            self._guard.check(scope["path"], headers)
            if scope["path"] in WITH_IMAGES:
                self._require_room()
            app = self._direct.get((scope["method"], scope["path"]), self._app)
            await app(scope, receive, answer.send)
        except Gone:
            answer.status = _GONE
        except Exception as error:
            await self._refuse(error, scope, receive, answer)
        self._log(scope, answer, request_id, time.monotonic() - started)

    async def _refuse(self, error: Exception, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Answer what failed; an unexpected error is logged with its traceback, which the answer does not contain."""
        if isinstance(error, Problem):
            problem = error
        else:
            logger.error("failed", exc_info=error, extra={"fields": {"request_id": answer.request_id}})
            problem = Problem("internal", "this is a defect of the service; the log has it under the request's id")
        if answer.status:  # the answer has begun, and cannot become another
            return
        self._metrics.problem(problem.kind)
        await problem.response(answer.request_id)(scope, receive, answer.send)

    def _log(self, scope: Scope, answer: _Answer, request_id: str, seconds: float) -> None:
        route = scope["path"] if scope["path"] in ROUTES else "other"
        self._metrics.request(route, answer.status, seconds)
        if route not in _QUIET or answer.status >= 400:
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


def _headers(scope: Scope) -> dict[str, str]:
    """The headers of a request; of several with the same name, the first."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}


class _Answer:
    """An answer on its way out, which gets the headers that every answer has."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send, self.request_id, self.status = send, request_id, 0

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name.lower() for name, _ in message["headers"]}
            extra = [(name, value) for name, value in HEADERS.items() if name not in present]
            message["headers"] = [*message["headers"], *extra, (b"x-request-id", self.request_id.encode())]
        await self._send(message)
