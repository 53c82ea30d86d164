"""Options of the service: where it listens, who may ask, and how much it takes on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from residerm.config.base import Options

LogFormat = Literal["auto", "json", "plain"]


class ServeOptions(Options):
    """Where the service listens, who may ask, and how much it takes on."""

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on. Any but loopback needs a token.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    token_file: Path | None = Field(None, description="File with the token that /v1 and /metrics then ask for.")
    insecure: bool = Field(False, description="Listen on an address other than loopback without a token.")
    proxy: str | None = Field(
        None, description="Address of the reverse proxy whose X-Forwarded-For names the client; * for any."
    )
    workers: int = Field(1, ge=1, le=64, description="Processes that serve; they share nothing but the port.")
    threads: int | None = Field(None, ge=1, description="Threads of a worker's arithmetic. Default: its cores.")
    batch_size: int = Field(16, ge=1, le=1024, description="Most images in a batch.")
    queue: int = Field(16, ge=1, description="Images ahead of a request, in a worker, with which it is answered 503.")
    client_requests: int = Field(8, ge=1, description="Requests of one client at once; more are answered 429.")
    connections: int = Field(400, ge=8, description="Open connections of a worker; more are answered 503.")
    max_files: int = Field(16, ge=1, le=1000, description="Most images in a request.")
    max_megabytes: float = Field(32.0, gt=0, le=2000, description="Largest request.")
    max_megapixels: float = Field(50.0, gt=0, le=100, description="Largest image, before it is decoded.")
    deadline: float = Field(10.0, gt=0, description="Seconds after which a request that still waits is answered 503.")
    upload_seconds: float = Field(30.0, gt=0, description="Seconds that a client may take to send a request.")
    grace: float = Field(20.0, ge=0, description="Seconds to finish what was accepted, after SIGTERM.")
    log: LogFormat = Field("auto", description="Log lines: json, or plain; auto: plain on a terminal.")
