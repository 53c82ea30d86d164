"""`serve`: serve a model over HTTP until SIGTERM or Ctrl-C.

Errors in the options, the port or the model are reported before the first client can connect. Several workers are
processes that share only the listening socket.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI

from residerm.config import ServeOptions
from residerm.errors import UsageError, system_reason
from residerm.parallel import blas_in_one_thread, cores
from residerm.service import logs
from residerm.service.memory import return_freed_memory
from residerm.service.security import is_loopback, read_token
from residerm.service.supervisor import supervise

if TYPE_CHECKING:
    import uvicorn

_SWITCH_SECONDS = 0.0005  # longest wait of the event loop for the GIL; Python's default is ten times as long
_LAST_SECONDS = 5.0  # after the grace period, for the batch that is being processed
_CONNECTIONS_WAITING = 256  # in the kernel, until a worker accepts them


@dataclass(frozen=True)
class Listening:
    """The address on which a service listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address of its page."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"


def serve(
    model: str | Path = "starter",
    options: ServeOptions = ServeOptions(),
    *,
    announce: Callable[[Listening], None] = lambda _: None,
) -> None:
    """Serve a model until SIGTERM or Ctrl-C; `announce` is called as soon as the service listens."""
    token = _token(options)
    with _bind(options) as listener:
        app = build_app(model, options, token)
        announce(Listening(options.host, listener.getsockname()[1]))
        if options.workers == 1:
            _run(app, options, listener)
        else:
            del app  # each worker loads the model itself
            work = partial(_build_and_run, model, options, token, listener)
            supervise(work, listener, options.workers, options.grace + _LAST_SECONDS)


def build_app(model: str | Path, options: ServeOptions, token: str | None = None) -> FastAPI:
    """Load a model and return the application that serves it."""
    from residerm.service.app import create_app
    from residerm.service.loading import load_served

    logs.configure(options.log)
    return_freed_memory()
    threads = options.threads or max(1, cores() // options.workers)
    served = load_served(model, threads)
    sys.setswitchinterval(_SWITCH_SECONDS)
    return create_app(served, options, token)


def _build_and_run(model: str | Path, options: ServeOptions, token: str | None, listener: socket.socket) -> None:
    _run(build_app(model, options, token), options, listener)


def _run(app: FastAPI, options: ServeOptions, listener: socket.socket) -> None:
    import uvicorn

    with blas_in_one_thread():  # the arithmetic of trust is small, and the network needs the cores
        uvicorn.Server(uvicorn_config(app, options)).run(sockets=[listener])


def uvicorn_config(app: FastAPI, options: ServeOptions) -> uvicorn.Config:
    """The configuration of uvicorn: only HTTP/1.1, with limits and without its own logs."""
    import uvicorn

    from residerm.service.protocol import PatientProtocol

    return uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=options.proxy is not None,
        forwarded_allow_ips=options.proxy,
        limit_concurrency=options.connections,
        timeout_graceful_shutdown=int(options.grace),
        backlog=_CONNECTIONS_WAITING,
    )


def _token(options: ServeOptions) -> str | None:
    if options.token_file is not None:
        return read_token(options.token_file)
    if not is_loopback(options.host) and not options.insecure:
        raise UsageError(f"`host={options.host}` can be reached from other machines: give `token_file` or `insecure`")
    return None


def _bind(options: ServeOptions) -> socket.socket:
    """Open the listening socket."""
    try:
        found = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except socket.gaierror:
        raise UsageError(f"`host={options.host}` is no address of this machine") from None
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_CONNECTIONS_WAITING)
    except OSError as error:
        listener.close()
        raise UsageError(_cannot_listen(error, options)) from error
    return listener


def _cannot_listen(error: OSError, options: ServeOptions) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"`port={options.port}` is in use by another program: choose another one, or 0 for a free one"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"`host={options.host}` is no address of this machine"
    if error.errno == errno.EACCES:
        return f"`port={options.port}` requires administrator rights: choose one above 1023"
    return f"cannot listen on {options.host}, port {options.port}: {system_reason(error)}"
