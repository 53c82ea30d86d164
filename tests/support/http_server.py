"""A local web server that follows the rules of HTTP ranges, or breaks them on request."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest import mock


@dataclass
class ServedFile:
    """A file on the server, and how it is served."""

    body: bytes
    etag: str | None = '"first"'
    modified: str | None = None
    ranges: bool = True  # False: always the whole file
    honours_if_range: bool = True  # False: a range of the new file, though the old one was begun
    breaks_after: list[int] = field(default_factory=list)  # bytes after which the next answers break off
    stalls_after: int | None = None  # bytes after which it waits until the server ends
    content_length: int | None = None  # a Content-Length that is not true
    surplus: list[bytes] = field(default_factory=list)  # what the next partial answers have too much
    chunked: bool = False  # no Content-Length at all
    statuses: list[int] = field(default_factory=list)  # answers to give before the file
    location: str | None = None  # a redirect
    encoding: str | None = None


@dataclass
class Request:
    """A request and its answer."""

    path: str
    range: str | None
    if_range: str | None
    status: int = 0
    sent: int = 0


class FileServer(ThreadingHTTPServer):
    """Serves `files` by path and records all requests."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, ServedFile] = {}
        self.seen: list[Request] = []
        self.ended = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def put(self, path: str, body: bytes, **how: Any) -> str:
        """Serve a file and return its address."""
        self.files[path] = ServedFile(body, **how)
        return self.url(path)

    def transfers(self, path: str | None = None) -> list[Request]:
        """All requests except those for the first byte, which only ask for the length."""
        return [seen for seen in self.seen if seen.range != "bytes=0-0" and path in (None, seen.path)]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing when a client disconnects."""


@contextmanager
def file_server() -> Iterator[FileServer]:
    """A server that runs during the block and is reached without a proxy."""
    server = FileServer()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        with mock.patch.dict(os.environ, {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}):
            yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: FileServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        seen = Request(self.path, self.headers["Range"], self.headers["If-Range"])
        self.server.seen.append(seen)
        served = self.server.files.get(self.path)
        if served is None:
            return self._answer(seen, 404, b"")
        if served.statuses:
            return self._answer(seen, served.statuses.pop(0), b"")
        if served.location is not None:
            return self._answer(seen, 302, b"", {"Location": served.location})
        headers = {"ETag": served.etag, "Last-Modified": served.modified, "Content-Encoding": served.encoding}
        start = self._start(served)
        if start is None:
            return self._answer(seen, 200, served.body, headers, served)
        total = len(served.body)
        if start >= total:
            return self._answer(seen, 416, b"", headers | {"Content-Range": f"bytes */{total}"})
        end = 1 if seen.range == "bytes=0-0" else total
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{total}"
        surplus = served.surplus.pop(0) if served.surplus and seen.range != "bytes=0-0" else b""
        return self._answer(seen, 206, served.body[start:end] + surplus, headers, served)

    def _start(self, served: ServedFile) -> int | None:
        asked = self.headers["Range"]
        if asked is None or not served.ranges:
            return None
        valid = self.headers["If-Range"] in (None, served.etag, served.modified)
        return int(asked.removeprefix("bytes=").split("-")[0]) if valid or not served.honours_if_range else None

    def _answer(
        self,
        seen: Request,
        status: int,
        body: bytes,
        headers: dict[str, str | None] | None = None,
        served: ServedFile | None = None,
    ) -> None:
        seen.status = status
        self.send_response(status)
        for name, value in (headers or {}).items():
            if value is not None:
                self.send_header(name, value)
        chunked = served is not None and served.chunked and status == 200
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            claimed = served.content_length if served is not None and status == 200 else None
            self.send_header("Content-Length", str(len(body) if claimed is None else claimed))
        self.end_headers()
        is_transfer = served is not None and seen.range != "bytes=0-0"
        if is_transfer and served.stalls_after is not None:
            self._send(seen, body[: served.stalls_after], chunked)
            self.server.ended.wait()
        broken = served.breaks_after.pop(0) if is_transfer and served.breaks_after else None
        self._send(seen, body[:broken], chunked)
        if chunked and broken is None:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = broken is not None or (served is not None and served.content_length is not None)

    def _send(self, seen: Request, body: bytes, chunked: bool) -> None:
        seen.sent += len(body)  # before it goes out: the client may be done before this thread is
        self.wfile.write(b"%x\r\n%b\r\n" % (len(body), body) if chunked and body else body)
        self.wfile.flush()
