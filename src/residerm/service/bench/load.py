"""The client process: sends the requests of a plan and prints the outcome as JSON.

    python -m residerm.service.bench.load < plan.json

It uses plain sockets, so that the client takes little of the CPU time that it shares with the service.
"""

from __future__ import annotations

import base64
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Literal

from pydantic import BaseModel

from residerm.service.bench.hostile import Hostile

_TIMEOUT = 60.0
BROKEN = "broken"  # no complete response was received


class Plan(BaseModel):
    """What to send, and for how long."""

    port: int
    image: str  # base64
    mode: Literal["closed", "open", "hostile"]
    connections: int = 1
    seconds: float = 10.0
    rate: float = 0.0  # requests a second, for `open`
    requests: int = 0  # for `hostile`; 0: as many as the seconds allow
    seed: int = 0


class Outcome(BaseModel):
    """The responses: their statuses and times."""

    seconds: float
    sent: int
    statuses: dict[str, int]
    milliseconds: list[float]  # of each answer with 200

    def percentile(self, share: float) -> float:
        """A percentile, given as a fraction, of the times of responses with status 200, in milliseconds."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


class Connection:
    """A connection that is reopened when it was closed."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        """Prepare a connection from `address`, a loopback address; it is opened with the first request."""
        self._port, self._address, self._socket = port, address, None  # type: int, str, socket.socket | None

    def ask(self, request: bytes) -> str:
        """Send a request and return the status of the response; if an idle connection was closed, reconnect once."""
        was_open = self._socket is not None
        status = self._ask(request)
        return self._ask(request) if status == BROKEN and was_open else status

    def _ask(self, request: bytes) -> str:
        try:
            if self._socket is None:
                self._socket = self._open()
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(request)
            return self._answer(self._socket)
        except OSError:
            self.close()
            return BROKEN

    def drop(self, request: bytes) -> None:
        """Send a request and close the connection."""
        self.ask_nothing(request)
        self.close()

    def ask_nothing(self, request: bytes) -> None:
        """Send a request on a new connection without waiting for the response."""
        self.close()
        try:
            self._socket = self._open()
            self._socket.sendall(request)
        except OSError:
            self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), _TIMEOUT, (self._address, 0))

    def _answer(self, connection: socket.socket) -> str:
        head = b""
        while b"\r\n\r\n" not in head:
            part = connection.recv(65536)
            if not part:
                self.close()
                return BROKEN
            head += part
        head, _, body = head.partition(b"\r\n\r\n")
        fields = head.lower()
        length = int(fields.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        missing = length - len(body)
        while missing > 0 and (part := connection.recv(65536)):
            missing -= len(part)
        if b"connection: close" in fields:
            self.close()
        return head[9:12].decode("ascii", "replace")


def client(number: int) -> str:
    """A loopback address for each client: all of 127.0.0.0/8 on Linux, a single one on other systems."""
    return f"127.0.{number // 250}.{number % 250 + 1}" if sys.platform == "linux" else "127.0.0.1"


class Load:
    """Threads that send requests, each as a separate client."""

    def __init__(self, plan: Plan) -> None:
        """Prepare the requests of a plan."""
        self._plan = plan
        self._lock = threading.Lock()
        self._statuses: Counter[str] = Counter()
        self._milliseconds: list[float] = []
        image = base64.b64decode(plan.image)
        head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(image)}\r\n\r\n"
        self._request = head.encode() + image
        self._image = image

    def run(self) -> Outcome:
        """Send all requests and return the outcome."""
        sender: Callable[[int], None] = {"closed": self._closed, "open": self._open, "hostile": self._hostile}[
            self._plan.mode
        ]
        self._arrivals = self._times()
        self._started = time.monotonic()
        threads = [threading.Thread(target=sender, args=(number,)) for number in range(self._plan.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - self._started
        return Outcome(
            seconds=seconds,
            sent=sum(self._statuses.values()),
            statuses=dict(self._statuses),
            milliseconds=self._milliseconds,
        )

    def _closed(self, number: int) -> None:
        connection = Connection(self._plan.port, client(number))
        while self._is_on():
            self._ask(connection)

    def _open(self, number: int) -> None:
        connection = Connection(self._plan.port, client(number))
        while True:
            with self._lock:
                due = next(self._arrivals)
            if due > self._plan.seconds:
                return
            time.sleep(max(0.0, self._started + due - time.monotonic()))
            self._ask(connection)

    def _hostile(self, number: int) -> None:
        drawn = Hostile(self._image, self._plan.seed * 1000 + number)
        connection = Connection(self._plan.port)
        share = self._plan.requests // self._plan.connections
        sent = 0
        while sent < share if share else self._is_on():
            request, whole = drawn.request()
            if whole:
                self._count(connection.ask(request))
                connection.close()
            else:
                connection.drop(request)
                self._count("not waited for")
            sent += 1

    def _ask(self, connection: Connection) -> None:
        started = time.monotonic()
        status = connection.ask(self._request)
        self._count(status, 1000 * (time.monotonic() - started))

    def _count(self, status: str, milliseconds: float = 0.0) -> None:
        with self._lock:
            self._statuses[status] += 1
            if status == "200":
                self._milliseconds.append(milliseconds)

    def _is_on(self) -> bool:
        return time.monotonic() - self._started < self._plan.seconds

    def _times(self) -> Iterator[float]:
        """Times of a Poisson process, in seconds."""
        draw, moment = random.Random(self._plan.seed), 0.0
        while True:
            moment += draw.expovariate(self._plan.rate) if self._plan.rate else 1.0
            yield moment


if __name__ == "__main__":
    print(Load(Plan.model_validate_json(sys.stdin.read())).run().model_dump_json())
