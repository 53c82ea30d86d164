"""Keep several worker processes running on one listening socket.

A worker that is killed loses only the connections that it has accepted: the socket is shared, so all others wait in the
kernel for another worker. No worker is killed for being slow. uvicorn's own supervisor does that after five seconds,
which on a busy machine is less than a worker takes to start, so that it never does. A worker whose supervisor was
killed ends as on SIGTERM; otherwise, it would hold the port.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from types import FrameType

from residerm.errors import ResidermError
from residerm.service.logs import log

_CHECK_SECONDS = 0.2  # longest delay of a signal
_PAUSE_SECONDS = 1.0  # before a worker is replaced, so that one that cannot start does not occupy a core
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def supervise(work: Callable[[], None], listener: socket.socket, workers: int, grace: float) -> None:
    """Run `work` in several processes until SIGTERM or Ctrl-C, and replace those that end.

    `work` must end on SIGTERM; after `grace` seconds it is killed. The signal is then raised again. `listener` is
    closed before, so that new clients are refused instead of waiting for workers that accept nothing.
    """
    with _signals() as received:
        processes = [_start(work) for _ in range(workers)]
        while not received:
            wait([process.sentinel for process in processes], _CHECK_SECONDS)
            for number, process in enumerate(processes):
                if not received and not process.is_alive():
                    processes[number] = _replace(process, work)
        listener.close()
        _end(processes, grace)
    signal.raise_signal(received[0])


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect the signals that end the service instead of ending it at once."""
    received: list[int] = []

    def receive(number: int, _: FrameType | None) -> None:
        received.append(number)

    previous = [signal.signal(one, receive) for one in _SIGNALS]
    try:
        yield received
    finally:
        for one, handler in zip(_SIGNALS, previous, strict=True):
            signal.signal(one, handler)


def _start(work: Callable[[], None]) -> SpawnProcess:
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(work,))
    with _ctrl_c_blocked():
        process.start()
    return process


@contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """Hold back Ctrl-C here, and block it for good in processes that are started meanwhile.

    A terminal sends it to all processes. It would end workers that are still importing with a traceback, and the others
    are ended by the supervisor.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _run(work: Callable[[], None]) -> None:
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    with suppress(KeyboardInterrupt):
        try:
            work()
        except ResidermError as error:  # for example, the files of the model are gone
            log("worker failed", logging.ERROR, reason=str(error))
            sys.exit(1)


def _end_with_supervisor() -> None:
    supervisor = multiprocessing.parent_process()
    assert supervisor is not None, "workers are spawned"
    supervisor.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _replace(ended: SpawnProcess, work: Callable[[], None]) -> SpawnProcess:
    log("worker ended", logging.WARNING, worker=ended.pid, exit_code=ended.exitcode)
    ended.close()
    time.sleep(_PAUSE_SECONDS)
    return _start(work)


def _end(processes: Sequence[SpawnProcess], grace: float) -> None:
    for process in processes:
        process.terminate()
    until = time.monotonic() + grace
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        process.kill()
        process.join()
