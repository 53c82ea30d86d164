"""Refuses images while the queue is full, as early as possible.

Under overload most requests are refused, at the expense of the accepted ones. The protocol therefore asks the gate as
soon as it has the headers; it finds the gate in the lifespan state of the application. With a server that does not, the
application refuses the same requests, only more slowly. For the same reason, these refusals share lines in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from residerm.service.logs import log
from residerm.service.metrics import Metrics
from residerm.service.problems import Problem

GATE = "gate"  # in the state of the lifespan
WITH_IMAGES = frozenset({"/v1/predict", "/v1/explain"})
_LOG_SECONDS = 1.0
_IDS_IN_A_LINE = 50


class Gate:
    """Decides from the method and the path whether a request is refused immediately; logs and counts refusals."""

    def __init__(self, require_room: Callable[[], None], metrics: Metrics) -> None:
        """`require_room` raises a `Problem` if the queue is full."""
        self._require_room, self._metrics = require_room, metrics
        self._refused: dict[tuple[str, int], list[str]] = {}  # request ids by route and status
        self._timer: asyncio.TimerHandle | None = None

    def refusal(self, method: str, path: str) -> Problem | None:
        """The reason to refuse a request, if there is one."""
        if method != "POST" or path not in WITH_IMAGES:
            return None
        try:
            self._require_room()
        except Problem as problem:
            return problem
        return None

    def refused(self, path: str, problem: Problem, request_id: str) -> None:
        """Count a refusal, and log it within a second, together with others."""
        route = path if path in WITH_IMAGES else "other"
        self._metrics.request(route, problem.status, 0.0)
        self._metrics.problem(problem.kind)
        ids = self._refused.setdefault((route, problem.status), [])
        ids.append(request_id)
        if len(ids) >= _IDS_IN_A_LINE:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOG_SECONDS, self.flush)

    def flush(self) -> None:
        """Write the refusals to the log."""
        refused, self._refused = self._refused, {}
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for (route, status), ids in refused.items():
            log("refused", logging.WARNING, route=route, status=status, requests=len(ids), request_ids=ids)
