"""Refuses images while the queue is full, as early as possible.

Under overload most requests are refused, at the expense of the accepted ones. The protocol therefore asks the gate as
soon as it has the headers; it finds the gate in the lifespan state of the application. With a server that does not, the
application refuses the same requests, only more slowly.
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


class Gate:
    """Decides from the method and the path whether a request is refused immediately."""

    def __init__(self, require_room: Callable[[], None], metrics: Metrics) -> None:
        """`require_room` raises a `Problem` if the queue is full."""
        self._require_room, self._metrics = require_room, metrics
        self._refused = 0

    def refusal(self, method: str, path: str) -> Problem | None:
        """The reason to refuse a request, if there is one; refusals are logged as a number per second."""
        if method != "POST" or path not in WITH_IMAGES:
            return None
        try:
            self._require_room()
        except Problem as problem:
            self._count(path, problem)
            return problem
        return None

    def _count(self, path: str, problem: Problem) -> None:
        self._metrics.request(path, problem.status, 0.0)
        self._metrics.problem(problem.kind)
        if not self._refused:
            asyncio.get_running_loop().call_later(_LOG_SECONDS, self._tell)
        self._refused += 1

    def _tell(self) -> None:
        log("refused", logging.WARNING, requests=self._refused, seconds=_LOG_SECONDS)
        self._refused = 0
