"""Several workers on one port: what is lost when one is killed, and how they start and end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import colour_service
import httpx
import numpy as np
import pytest
from sample_images import encode

from residerm.inference.bundle import STARTER

PHOTO = encode(np.full((48, 64, 3), (200, 60, 60), np.uint8), "PNG")

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Sent:
    """A request: when it began and ended, and its status or the error of its connection."""

    began: float
    ended: float
    outcome: int | str


def workers_of(process: int) -> set[int]:
    """The workers: the children of a process that were spawned, without the tracker of their resources."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return {int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()}


def post(address: str) -> Sent:
    began = time.monotonic()
    try:
        outcome: int | str = httpx.post(f"{address}v1/predict", content=PHOTO, timeout=60).status_code
    except httpx.TransportError as error:
        outcome = repr(error)
    return Sent(began, time.monotonic(), outcome)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def has_ended(process: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return True


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143


def test_a_worker_that_is_killed_loses_only_what_it_had_accepted() -> None:
    with colour_service.serve_in_process(0.02, "--workers", "2") as (process, address), ThreadPoolExecutor(8) as pool:
        first = workers_of(process.pid)
        assert len(first) == 2
        sending = [pool.submit(post, address) for _ in range(200)]
        wait_until(lambda: sum(one.done() for one in sending) >= 40)
        killed = time.monotonic()
        os.kill(min(first), signal.SIGKILL)
        sent = [one.result() for one in sending]
        lost = [one for one in sent if isinstance(one.outcome, str)]
        assert {one.outcome for one in sent} - {one.outcome for one in lost} == {200}
        assert all(one.began < killed for one in lost), "requests sent after the kill are answered by another worker"
        assert len(lost) <= 8
        wait_until(lambda: len(workers_of(process.pid)) == 2)
        assert not workers_of(process.pid) & {min(first)}
        end(process)


def test_a_worker_that_is_slow_is_left_alone() -> None:
    with colour_service.serve_in_process(0.0, "--workers", "2") as (process, address):
        workers = workers_of(process.pid)
        slow = min(workers)
        os.kill(slow, signal.SIGSTOP)
        assert post(address).outcome == 200
        time.sleep(7)  # uvicorn's supervisor waits 5 s for a sign of life
        os.kill(slow, signal.SIGCONT)
        assert post(address).outcome == 200
        assert workers_of(process.pid) == workers
        end(process)


def test_workers_end_with_their_supervisor() -> None:
    with colour_service.serve_in_process(0.0, "--workers", "2") as (process, address):
        workers = workers_of(process.pid)
        process.kill()
        process.wait(10)
        wait_until(lambda: all(has_ended(worker) for worker in workers))
        assert isinstance(post(address).outcome, str), "the port is free again"


def test_sigterm_answers_what_was_accepted_and_refuses_new_clients() -> None:
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(PHOTO)
    with colour_service.serve_in_process(2.0, "--workers", "2") as (process, address), ExitStack() as stack:
        place = ("127.0.0.1", httpx.URL(address).port)
        clients = [stack.enter_context(socket.create_connection(place, 60)) for _ in range(4)]
        for client in clients:
            client.sendall(head + PHOTO)
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: "refused" in str(post(address).outcome))
        assert [client.recv(12) for client in clients] == [b"HTTP/1.1 200"] * 4
        assert process.wait(60) == 143


def test_a_worker_that_cannot_load_the_model_says_why(tmp_path: Path) -> None:
    bundle = shutil.copytree(STARTER, tmp_path / "bundle")
    command = [sys.executable, "-m", "residerm", "serve", str(bundle), "--port", "0", "--workers", "2"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stderr is not None
        colour_service.wait_until_ready(next(line.split()[3] for line in process.stderr if "serves at" in line))
        (bundle / "model.onnx").unlink()
        os.kill(min(workers_of(process.pid)), signal.SIGKILL)
        shown = []
        while "worker failed" not in (line := process.stderr.readline()):
            shown.append(line)
        assert "model.onnx" in line
        assert not any("Traceback" in one for one in shown)
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.parametrize("one_is_starting", [False, True])
def test_ctrl_c_in_a_terminal_ends_workers_and_supervisor_without_a_traceback(one_is_starting: bool) -> None:
    with colour_service.serve_in_process(0.0, "--workers", "2") as (process, _):
        workers = workers_of(process.pid)
        if one_is_starting:
            os.kill(min(workers), signal.SIGKILL)
            wait_until(lambda: bool(workers_of(process.pid) - workers))
            workers = workers_of(process.pid)
        for one in (*workers, process.pid):
            os.kill(one, signal.SIGINT)
        assert process.wait(60) == 130
        assert all(has_ended(worker) for worker in workers)
        assert process.stderr is not None
        shown = process.stderr.read()
        assert "Traceback" not in shown
        assert shown.endswith("residerm: the service has stopped\n")
