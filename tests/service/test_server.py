"""A listening server: slow, broken and disconnected clients, shutdown, and refusals to start."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import colour_service
import httpx
import numpy as np
import pytest
from sample_images import encode

from residerm.config import ServeOptions
from residerm.errors import UsageError
from residerm.service import ask, protocol, serve
from residerm.service.client import ServiceError

PHOTO = encode(np.full((48, 64, 3), (200, 60, 60), np.uint8), "PNG")
HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"


def connect(address: str) -> socket.socket:
    url = httpx.URL(address)
    return socket.create_connection((url.host, url.port), timeout=20)


def received(connection: socket.socket) -> bytes:
    """All data until the other side closes the connection."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_sigterm_under_load_answers_accepted_requests() -> None:
    outcomes: list[str] = []
    with (
        colour_service.serve_in_process(0.05) as (process, address),
        ThreadPoolExecutor(8) as pool,
        httpx.Client() as client,
    ):

        def load() -> None:
            while True:
                try:
                    outcomes.append(str(client.post(f"{address}v1/predict", content=PHOTO, timeout=30).status_code))
                except httpx.TransportError as error:
                    outcomes.append(type(error).__name__)
                    return

        for _ in range(8):
            pool.submit(load)
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
    assert outcomes.count("200") > 10
    never_taken = {"ConnectError", "ReadError", "WriteError", "RemoteProtocolError", "CloseError"}
    assert set(outcomes) <= {"200", "503"} | never_taken, outcomes


def test_request_accepted_before_sigterm_is_answered() -> None:
    with colour_service.serve_in_process(1.0) as (process, address), ThreadPoolExecutor(1) as pool:
        answer = pool.submit(httpx.post, f"{address}v1/predict", content=PHOTO, timeout=30)
        time.sleep(0.4)
        process.send_signal(signal.SIGTERM)
        assert answer.result().status_code == 200
        assert process.wait(20) == 143


def test_endless_headers_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.3)
    with colour_service.serve_in_thread(colour_service.make_app()) as address, connect(address) as connection:
        for byte in b"POST /v1/pre":
            try:
                connection.send(bytes([byte]))
            except OSError:
                break
            time.sleep(0.05)
        assert received(connection) == b""


@contextlib.contextmanager
def busy(address: str) -> Iterator[None]:
    """A service with a queue of one that is busy with an image."""
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpx.post, f"{address}/v1/predict", content=PHOTO, timeout=30)
        while "residerm_queue_images 1.0" not in httpx.get(f"{address}/metrics").text:
            assert not first.done()
        yield
        assert first.result().status_code == 200


def statuses(answers: bytes) -> list[int]:
    return [int(head) for head in re.findall(rb"HTTP/1\.1 (\d+)", answers)]


def test_refused_request_keeps_its_connection() -> None:
    predictor = colour_service.ColourPredictor(before=colour_service.delay(1.0))
    with (
        colour_service.serve_in_thread(colour_service.make_app(predictor, batch_size=1, queue=1)) as address,
        connect(address) as connection,
    ):
        with busy(address):
            connection.sendall(HEAD % len(PHOTO) + PHOTO)
            refusal = connection.recv(65536)
        connection.sendall(HEAD % len(PHOTO) + PHOTO)
        answer = connection.recv(65536)
        metrics = httpx.get(f"{address}/metrics").text
    head, _, body = refusal.partition(b"\r\n\r\n")
    assert statuses(head) == [503]
    assert {b"content-type: application/problem+json", b"retry-after: 1", b"cache-control: no-store"} <= set(
        head.split(b"\r\n")
    )
    assert json.loads(body)["request_id"].encode() in head
    assert statuses(answer) == [200]
    assert 'residerm_requests_total{route="/v1/predict",status="503"' in metrics
    assert 'residerm_problems_total{kind="busy"} 1.0' in metrics


def test_unread_body_is_not_parsed_as_the_next_request() -> None:
    predictor = colour_service.ColourPredictor(before=colour_service.delay(1.0))
    head = HEAD.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n") % len(PHOTO)
    slow = colour_service.make_app(predictor, batch_size=1, queue=1)
    with colour_service.serve_in_thread(slow) as address, connect(address) as connection, busy(address):
        connection.sendall(head)
        assert b"connection: close" in received(connection)
    with colour_service.serve_in_thread(colour_service.make_app()) as address, connect(address) as connection:
        connection.sendall(head)
        assert statuses(connection.recv(65536)) == [100]
        connection.sendall(PHOTO)
        assert statuses(received(connection)) == [200]


def logged_ids(process: subprocess.Popen[str]) -> list[str]:
    """The ids in the log of a process that has ended; refusals share lines."""
    assert process.stderr is not None
    events = [json.loads(line) for line in process.stderr.read().splitlines() if line.startswith("{")]
    assert all(event["requests"] == len(event["request_ids"]) for event in events if event["event"] == "refused")
    return [one for event in events for one in event.get("request_ids", [event.get("request_id")])]


def test_every_answer_has_its_id_in_the_log() -> None:
    def ask_often(worker: int) -> list[httpx.Response]:
        ids = [f"request-{worker}-{number}" for number in range(20)]
        with httpx.Client(timeout=30) as client:
            return [client.post(f"{address}v1/predict", content=PHOTO, headers={"X-Request-ID": one}) for one in ids]

    with colour_service.serve_in_process(0.1, "--log", "json", "--queue", "1", "--batch-size", "1") as (
        process,
        address,
    ):
        upgrade = {"connection": "upgrade", "upgrade": "h2c"}
        replies = [httpx.post(f"{address}v1/predict", content=PHOTO, headers=upgrade)]
        with connect(address) as connection:
            connection.sendall(b"no request\r\n\r\n")
            malformed = json.loads(received(connection).partition(b"\r\n\r\n")[2])
        with ThreadPoolExecutor(8) as pool:
            replies += [reply for some in pool.map(ask_often, range(8)) for reply in some]
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        logged = logged_ids(process)
    answered = [reply.headers["x-request-id"] for reply in replies]
    assert {reply.status_code for reply in replies} == {200, 400, 503}
    assert answered[1:] == [f"request-{worker}-{number}" for worker in range(8) for number in range(20)]
    assert sorted(logged) == sorted([*answered, malformed["request_id"]])


def test_too_many_connections_are_refused_with_a_problem() -> None:
    application = colour_service.make_app(connections=8)
    with colour_service.serve_in_thread(application, connections=8) as address, contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(connect(address))
        reply = httpx.post(f"{address}/v1/predict", content=PHOTO)
    assert reply.status_code == 503
    assert reply.headers["content-type"] == "application/problem+json"
    assert "too many connections" in reply.json()["detail"]


def test_oversized_headers_are_refused() -> None:
    with colour_service.serve_in_thread(colour_service.make_app()) as address, connect(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        with suppress(OSError):
            for number in range(100_000):
                connection.sendall(b"X-%d: %s\r\n" % (number, b"a" * 1000))
        answer = received(connection)
    assert answer == b"" or statuses(answer) == [400]


def test_invalid_http_is_answered_with_a_problem() -> None:
    with colour_service.serve_in_thread(colour_service.make_app()) as address, connect(address) as connection:
        connection.sendall(b"\x16\x03\x01 no request\r\n\r\n")
        head, _, body = received(connection).partition(b"\r\n\r\n")
    assert statuses(head) == [400]
    assert json.loads(body)["type"] == "urn:residerm:problem:malformed"


def test_upgrade_requests_are_ignored() -> None:
    upgrade = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMAAABkAAQCAAAA"}
    with colour_service.serve_in_thread(colour_service.make_app()) as address:
        assert httpx.get(f"{address}/healthz", headers=upgrade).status_code == 200
        assert httpx.get(f"{address}/healthz", headers={"connection": "upgrade", "upgrade": "websocket"}).is_success
        reply = httpx.post(f"{address}/v1/predict", content=PHOTO, headers=upgrade)
    assert reply.status_code == 400
    assert "cannot be upgraded" in reply.json()["detail"]


def test_slow_client_gets_408_and_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.3)
    with (
        colour_service.serve_in_thread(colour_service.make_app(upload_seconds=0.3)) as address,
        connect(address) as connection,
    ):
        connection.sendall(HEAD % len(PHOTO) + PHOTO[:10])
        started = time.monotonic()
        assert b" 408 " in received(connection).partition(b"\r\n")[0]
        assert time.monotonic() - started < 5


def test_oversized_content_length_is_refused() -> None:
    with colour_service.serve_in_thread(colour_service.make_app()) as address, connect(address) as connection:
        connection.sendall(HEAD % 200_000_000 + PHOTO)
        assert b" 413 " in connection.recv(65536).partition(b"\r\n")[0]


def test_endless_upload_is_refused() -> None:
    def endless():
        while True:
            yield b"x" * 100_000

    with colour_service.serve_in_thread(colour_service.make_app(max_megabytes=1)) as address:
        with suppress(httpx.TransportError):  # a client that still writes need not have read the answer
            assert httpx.post(f"{address}/v1/predict", content=endless()).status_code == 413
        assert httpx.post(f"{address}/v1/predict", content=PHOTO).status_code == 200


def test_work_of_a_disconnected_client_is_dropped() -> None:
    predictor = colour_service.ColourPredictor(before=colour_service.delay(0.3))
    with colour_service.serve_in_thread(colour_service.make_app(predictor, batch_size=1)) as address:
        for _ in range(6):
            with connect(address) as connection:
                connection.sendall(HEAD % len(PHOTO) + PHOTO)
                time.sleep(0.02)
        assert httpx.post(f"{address}/v1/predict", content=PHOTO).status_code == 200
        assert "residerm_queue_images 0.0" in httpx.get(f"{address}/metrics").text
    assert len(predictor.batches) <= 4, "the warm-up, one that had begun, and the one that waited"


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_invalid_requests_do_not_affect_others(sent: bytes) -> None:
    with colour_service.serve_in_thread(colour_service.make_app()) as address:
        with connect(address) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            answer = received(connection)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
        assert httpx.get(f"{address}/healthz").status_code == 200


def open_files(process: int) -> list[str]:
    """The open files of a process, except those that it closes meanwhile."""
    opened = []
    for link in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            opened.append(str(link.readlink()))
    return opened


def test_no_files_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    large = encode(np.random.default_rng(0).integers(0, 255, (1200, 1200, 3), np.uint8), "PNG")
    with colour_service.serve_in_process() as (process, address):
        files = [("images", ("a.png", large)), ("images", ("b.png", PHOTO))]
        assert httpx.post(f"{address}v1/predict", files=files).status_code == 200
        opened = open_files(process.pid)
    assert not list(tmp_path.iterdir())
    assert not [path for path in opened if path.startswith(str(tmp_path))]


def test_log_lines_have_no_file_names() -> None:
    with colour_service.serve_in_process(0.0, "--log", "json") as (process, address):
        httpx.post(f"{address}v1/predict", files=[("images", ("Doe Jane.png", PHOTO))])
        httpx.get(f"{address}secret-path")
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        lines = process.stderr.read()
    events = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
    assert [(event["route"], event["status"]) for event in events] == [("/v1/predict", 200), ("other", 404)]
    assert "Doe" not in lines
    assert "secret-path" not in lines


def test_port_in_use_is_one_message() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"`port={port}` is in use by another program"):
            serve("no-model", ServeOptions(port=port))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_public_host_requires_a_token(host: str) -> None:
    with pytest.raises(UsageError, match="can be reached from other machines: give `token_file`"):
        serve("no-model", ServeOptions(host=host))


def test_address_of_another_machine_is_refused() -> None:
    with pytest.raises(UsageError, match="no address of this machine"):
        serve("no-model", ServeOptions(host="192.0.2.1", port=0, insecure=True))
    with pytest.raises(UsageError, match="no address of this machine"):
        serve("no-model", ServeOptions(host="no.such.host.invalid", port=0, insecure=True))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("short\n", "at least 16"),
        ("two words in one token", "no space"),
        ("ümlaute-sind-nicht-gut", "ASCII"),
        ("", "16"),
    ],
)
def test_invalid_token_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        serve("no-model", ServeOptions(token_file=path))
    with pytest.raises(UsageError, match="there is no such file"):
        serve("no-model", ServeOptions(token_file=tmp_path / "nothing"))


def test_client_returns_answers_and_errors(tmp_path: Path) -> None:
    photo = tmp_path / "red.png"
    photo.write_bytes(PHOTO)
    with colour_service.serve_in_thread(colour_service.make_app()) as address:
        answers = ask([photo], address, explain_class="nv")
        assert answers.images[0].predicted == "mel"
        assert answers.images[0].explanation.label == "nv"
        with pytest.raises(ServiceError, match="mel, nv, bkl"):
            ask([photo], address, explain_class="wart")
    with pytest.raises(ServiceError, match="does not answer"):
        ask([photo], address)
    with pytest.raises(UsageError, match="there is no such file"):
        ask([tmp_path / "nothing.png"], address)
    assert stat.S_ISREG(photo.stat().st_mode)


def test_client_with_a_token_or_address_that_cannot_be_sent(tmp_path: Path) -> None:
    photo, token = tmp_path / "red.png", "0123456789abcdef"
    photo.write_bytes(PHOTO)
    with colour_service.serve_in_thread(colour_service.make_app(token=token)) as address:
        assert ask([photo], address, token=f"{token}\n").images[0].predicted == "mel"
    for wrong in ("ümlaut", "two\nlines"):
        with pytest.raises(UsageError, match="`token`: a token may only have printable ASCII characters"):
            ask([photo], address, token=wrong)
    for wrong in ("no address", "http://localhost:99999999"):
        with pytest.raises(ServiceError, match="does not answer"):
            ask([photo], wrong)
