"""Options of the service: address, access, and limits."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from residerm.config.base import Options

LogFormat = Literal["auto", "json", "plain"]


class ServeOptions(Options):
    """Address, access and limits of the service."""

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on. Any but loopback requires a token.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 selects a free one.")
    token_file: Path | None = Field(None, description="File with the token that /v1 and /metrics require.")
    insecure: bool = Field(False, description="Listen on an address other than loopback without a token.")
    proxy: str | None = Field(
        None, description="Address of the reverse proxy whose X-Forwarded-For is trusted; * for any."
    )
    workers: int = Field(1, ge=1, le=64, description="Number of processes; they share only the port.")
    threads: int | None = Field(None, ge=1, description="Number of compute threads per worker. Default: its cores.")
    batch_size: int = Field(16, ge=1, le=1024, description="Largest number of images in a batch.")
    queue: int = Field(24, ge=1, description="Number of images waiting in a worker at which new requests get 503.")
    client_requests: int = Field(8, ge=1, description="Concurrent requests per client; further ones get 429.")
    connections: int = Field(400, ge=8, description="Open connections per worker; further ones get 503.")
    max_files: int = Field(16, ge=1, le=1000, description="Largest number of images in a request.")
    max_megabytes: float = Field(32.0, gt=0, le=2000, description="Largest size of a request, in megabytes.")
    max_megapixels: float = Field(50.0, gt=0, le=100, description="Largest size of an image, in megapixels.")
    deadline: float = Field(10.0, gt=0, description="Seconds after which a request that is still waiting gets 503.")
    upload_seconds: float = Field(30.0, gt=0, description="Seconds that a client may take to send a request.")
    grace: float = Field(20.0, ge=0, description="Seconds to finish accepted requests after SIGTERM.")
    log: LogFormat = Field("auto", description="Format of the log: json or plain; auto: plain on a terminal.")
