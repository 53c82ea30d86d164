"""The service in its own process: start, memory and end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from residerm.errors import ResidermError

_PATIENCE = 120.0


class Target:
    """A context manager that starts the service for a measurement and ends it afterwards."""

    def __init__(self, model: str, *flags: str) -> None:
        """Prepare `residerm serve` with a model and flags."""
        self._command = [sys.executable, "-m", "residerm", "serve", model, "--port", "0", "--log", "json", *flags]
        self.seconds_to_ready = 0.0
        self.port = 0

    def __enter__(self) -> Self:
        """Start the service, and wait until it is ready."""
        started = time.monotonic()
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)
        self.port = self._read_port()
        while not self._is_ready():
            if time.monotonic() - started > _PATIENCE or self._process.poll() is not None:
                raise ResidermError("the service did not become ready")
            time.sleep(0.01)
        self.seconds_to_ready = time.monotonic() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the service."""
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()

    @property
    def resident_bytes(self) -> int | None:
        """Resident memory of the service; None if the system does not report it."""
        status = Path(f"/proc/{self._process.pid}/status")
        found = re.search(r"VmRSS:\s+(\d+)", status.read_text(encoding="utf-8")) if status.exists() else None
        return int(found[1]) * 1024 if found else None

    @property
    def files(self) -> int | None:
        """Number of open file descriptors, including connections; None if the system does not report it."""
        folder = Path(f"/proc/{self._process.pid}/fd")
        return len(list(folder.iterdir())) if folder.exists() else None

    @property
    def is_alive(self) -> bool:
        """Whether the same process is still running and ready."""
        return self._process.poll() is None and self._is_ready()

    def _read_port(self) -> int:
        assert self._process.stderr is not None
        lines = []
        for line in self._process.stderr:
            if found := re.search(r"serves at http://[^ ]*:(\d+)/", line):
                self._drain()
                return int(found[1])
            lines.append(line.strip())
        raise ResidermError("\n".join(lines).removeprefix("residerm: ") or "the service did not start")

    def _drain(self) -> None:
        """Read and discard its log from now on, so that the pipe never fills up; rarely, so that it costs little."""
        assert self._process.stderr is not None
        log = self._process.stderr.fileno()

        def read() -> None:
            while os.read(log, 65536):
                time.sleep(0.05)

        threading.Thread(target=read, daemon=True).start()

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=30).status_code == 200
        except httpx.HTTPError:
            return False
