"""If the log cannot be written, lines are lost but requests are answered."""

from __future__ import annotations

import errno
import io
import logging

import colour_service
import httpx
import numpy as np
import pytest
from sample_images import encode

from residerm.service import logs

PHOTO = encode(np.full((48, 64, 3), (200, 60, 60), np.uint8), "PNG")


def test_closed_stream_loses_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr("sys.stderr", stream)
    logs.configure("json")
    logs.log("request", logging.ERROR)


def test_full_disk_loses_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sys.stderr", Full())
    logs.configure("json")
    logs.log("request", logging.ERROR)


def test_requests_are_answered_with_an_unread_log() -> None:
    with colour_service.serve_in_process() as (process, address):
        assert process.stderr is not None
        process.stderr.close()
        for _ in range(5):
            assert httpx.post(f"{address}v1/predict", content=PHOTO, timeout=30).status_code == 200
            reply = httpx.post(f"{address}v1/predict", content=b"no image", timeout=30)
            assert reply.headers["content-type"] == "application/problem+json"
