"""The shipped nginx.conf in a real nginx in front of a running service: TLS, token, limits and client addresses."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import colour_service
import httpx
import numpy as np
import pytest
from sample_images import encode

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx.conf"
PHOTO = encode(np.full((48, 64, 3), (200, 60, 60), np.uint8), "PNG")
TOKEN = "0123456789abcdef"

pytestmark = [
    pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed: apt-get install nginx"),
    pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed"),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder readable by nginx's workers, with a self-signed certificate."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
        files = ["-keyout", path / "key", "-out", path / "certificate"]
        subprocess.run([*command, *files], check=True, capture_output=True)
        yield path


def configure(folder: Path, service: str, port: int, **changes: str) -> Path:
    """The shipped configuration with the paths of this machine and other `changes`."""
    text = CONFIGURATION.read_text()
    places = {
        "/tmp": str(folder),
        "http://residerm:8000": service,
        "/run/secrets": str(folder),
        "/dev/stdout": str(folder / "access.log"),
        "/dev/stderr": str(folder / "error.log"),
        "listen 8443": f"listen 127.0.0.1:{port}",
    }
    for old, new in (places | changes).items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "nginx.conf"
    path.write_text(text)
    return path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


@contextmanager
def front(folder: Path, service: str, **changes: str) -> Iterator[str]:
    """The address of a running nginx."""
    port = free_port()
    configuration = configure(folder, service, port, **changes)
    process = subprocess.Popen(["nginx", "-p", folder, "-c", configuration, "-g", "daemon off;"])
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield f"https://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def client(folder: Path, address: str = "127.0.0.1", **headers: str) -> httpx.Client:
    """A client that trusts the certificate and has a loopback address."""
    trusted = ssl.create_default_context(cafile=str(folder / "certificate"))
    transport = httpx.HTTPTransport(verify=trusted, local_address=address)
    return httpx.Client(transport=transport, headers=headers, timeout=60)


def test_nginx_accepts_the_configuration(folder: Path) -> None:
    configuration = configure(folder, "http://127.0.0.1:1", 8443)
    done = subprocess.run(
        ["nginx", "-t", "-p", folder, "-c", configuration], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "test is successful" in done.stderr


def test_tls_and_token(folder: Path) -> None:
    with (
        colour_service.serve_in_thread(colour_service.make_app(token=TOKEN)) as service,
        front(folder, service) as address,
    ):
        with client(folder) as one:
            assert one.post(f"{address}/v1/predict", content=PHOTO).status_code == 401
            reply = one.post(f"{address}/v1/predict", content=PHOTO, headers={"authorization": f"Bearer {TOKEN}"})
            assert one.get(f"{address}/metrics").status_code == 403
        assert reply.json()["images"][0]["predicted"] == "mel"
        assert "strict-transport-security" in reply.headers
        context = ssl.create_default_context(cafile=str(folder / "certificate"))
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", httpx.URL(address).port))
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            assert secure.selected_alpn_protocol() == "h2"


def test_limits_give_problem_details(folder: Path) -> None:
    slower = {"rate=20r/s": "rate=1r/s"}
    with (
        colour_service.serve_in_thread(colour_service.make_app()) as service,
        front(folder, service, **slower) as address,
        client(folder) as one,
    ):
        large = one.post(f"{address}/v1/predict", content=b"x" * 34_000_000)
        replies = [one.get(f"{address}/style.css") for _ in range(60)]
    assert large.status_code == 413
    assert large.headers["content-type"] == "application/problem+json"
    assert large.json()["status"] == 413
    refused = [reply for reply in replies if reply.status_code != 200]
    assert 0 < len(refused) < 40
    assert {reply.status_code for reply in refused} == {429}
    assert refused[0].json()["type"] == "urn:residerm:problem:too-many"
    assert refused[0].headers["retry-after"] == "1"
    logged = (folder / "access.log").read_text()
    assert all(reply.json()["request_id"] in logged for reply in [large, *refused])


def test_the_service_and_nginx_log_the_same_id(folder: Path) -> None:
    with (
        colour_service.serve_in_thread(colour_service.make_app()) as service,
        front(folder, service) as address,
        client(folder) as one,
    ):
        reply = one.post(f"{address}/v1/predict", content=PHOTO)
    assert reply.json()["request_id"] == reply.headers["x-request-id"]
    assert reply.headers["x-request-id"] in (folder / "access.log").read_text()


def test_a_service_that_is_away_is_a_problem(folder: Path) -> None:
    with front(folder, f"http://127.0.0.1:{free_port()}") as address, client(folder) as one:
        reply = one.post(f"{address}/v1/predict", content=PHOTO)
    assert reply.status_code == 503
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["retry-after"] == "5"
    assert reply.json()["request_id"] in (folder / "access.log").read_text()


def test_client_address_is_forwarded(folder: Path) -> None:
    application = colour_service.make_app(
        colour_service.ColourPredictor(before=colour_service.delay(1.0)), client_requests=1
    )

    def ask(address: str) -> int:
        with client(folder, address) as one:
            return one.post(f"{url}/v1/predict", content=PHOTO).status_code

    with (
        colour_service.serve_in_thread(application, proxy="127.0.0.1") as service,
        front(folder, service) as url,
        ThreadPoolExecutor(2) as pool,
    ):
        assert list(pool.map(ask, ["127.0.0.2", "127.0.0.3"])) == [200, 200]
        assert sorted(pool.map(ask, ["127.0.0.2", "127.0.0.2"])) == [200, 429]
    assert not re.search(r"127\.0\.0\.[23]", (folder / "access.log").read_text())
