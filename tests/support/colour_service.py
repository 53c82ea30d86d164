"""A predictor without a model, whose answers follow from the colour of an image.

Red is mel, green is nv, blue is bkl; grey leads to abstention, saturated green is an outlier.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import uvicorn
from fastapi import FastAPI

from residerm.config import PixelSpec, ServeOptions
from residerm.inference import ModelDescription
from residerm.outputs import Outputs, softmax
from residerm.service.app import create_app
from residerm.service.identity import served
from residerm.service.server import uvicorn_config
from residerm.trust import TrustSummary

CLASSES = ("mel", "nv", "bkl")
SIZE = 32
ABSTAIN_BELOW = 0.6
OUTLIER_ABOVE = 200.0


def make_description(**changes: Any) -> ModelDescription:
    """The description of a model with these changes."""
    fields = {
        "model": "resnet18",
        "classes": CLASSES,
        "task": "diagnosis",
        "pixels": PixelSpec(size=SIZE),
        "mean": (0.5, 0.5, 0.5),
        "deviation": (0.2, 0.2, 0.2),
        "prior": (0.3, 0.4, 0.3),
        "archive": "colours",
        "synthetic": False,
        "data_licence": "CC0",
        "data_citation": "none",
        "trained_on": 0,
        "selected_by": "macro_auc",
        "validation": {},
        "residerm": "0.1.0",
    }
    return ModelDescription.model_validate(fields | changes)


class ColourTrust:
    """Trust without calibration that abstains below 0.6 and takes saturated green for an outlier."""

    summary = TrustSummary.model_validate(
        {
            "fitted_on": "colours",
            "images": 90,
            "lesions": 90,
            "lesions_by_class": dict.fromkeys(CLASSES, 30),
            "calibration": {"kind": "none", "temperature": None, "log_loss_before": 1, "log_loss_after": 1},
            "sets": {"coverage": 0.9, "by_class": CLASSES, "pooled": (), "mean_size": 1},
            "abstention": {"error_rate": 0.05, "threshold": ABSTAIN_BELOW, "answered": 0.8, "wrong": 0.05},
            "outliers": {"score": "energy", "accepted": 0.95, "threshold": OUTLIER_ABOVE, "training_images": 0},
            "malignant": ("mel",),
            "limits": ("Nothing here holds for images of another site.",),
        }
    )

    def judge(self, outputs: Outputs) -> Any:
        """Judge outputs like `Trust.judge`."""
        shares = softmax(outputs.logits)
        score = outputs.features[:, 1] - outputs.features[:, 0] if outputs.features is not None else shares[:, 0]
        return SimpleNamespace(
            probabilities=shares,
            sets=shares > 0.1,
            confidence=shares.max(1),
            abstain=shares.max(1) < ABSTAIN_BELOW,
            outlier_score=score,
            outlier=score > OUTLIER_ABOVE,
        )


@dataclass
class ColourPredictor:
    """Its logits are mean colours and its maps the colours of cells."""

    description: ModelDescription = field(default_factory=make_description)
    runtime: str = "colours"
    threads: int = 2
    trust: Any = field(default_factory=ColourTrust)
    classifier: tuple[np.ndarray, np.ndarray] | None = field(
        default_factory=lambda: (np.eye(3, dtype=np.float32) / 20, np.zeros(3, np.float32))
    )
    before: Callable[[int], None] = lambda _: None
    batches: list[int] = field(default_factory=list)

    def outputs(self, pixels: np.ndarray, views: int = 1, maps: bool = False, alone: bool = True) -> Outputs:  # noqa: ARG002
        """Compute the outputs of pixels."""
        self.batches.append(len(pixels))
        self.before(len(pixels))
        cells = pixels.reshape(len(pixels), 4, SIZE // 4, 4, SIZE // 4, 3).mean((2, 4), dtype=np.float32)
        features = cells.mean((1, 2))
        return Outputs(features / 20, features, cells if maps else None)


def delay(seconds: float) -> Callable[[int], None]:
    """A function that makes every batch take this long."""
    return lambda _: time.sleep(seconds)


def make_app(predictor: ColourPredictor | None = None, token: str | None = None, **options: Any) -> FastAPI:
    """An application that serves a predictor."""
    return create_app(served(predictor or ColourPredictor()), ServeOptions(**options), token)


@contextlib.asynccontextmanager
async def open_client(application: FastAPI, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a started application, without a network."""
    async with application.router.lifespan_context(application):
        transport = httpx.ASGITransport(application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as one:
            yield one


@contextlib.contextmanager
def serve_in_thread(application: FastAPI, **options: Any) -> Iterator[str]:
    """Run an application in a thread, listening on loopback; yield its address."""
    config = uvicorn_config(application, ServeOptions(**options))
    config.host, config.port = "127.0.0.1", 0
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


@contextlib.contextmanager
def serve_in_process(seconds: float = 0.0, *flags: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the service in a separate process, which is killed at the end; yield it and its address."""
    folder = Path(__file__).parent
    source = folder.parents[1] / "src"
    environment = os.environ | {"PYTHONPATH": f"{source}{os.pathsep}{folder}", "COLOUR_SECONDS": str(seconds)}
    command = [sys.executable, str(folder / "colour_server.py"), "--port", "0", *flags]
    running_one = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert running_one.stderr is not None
        address = next(line.split()[3] for line in running_one.stderr if "serves at" in line)
        wait_until_ready(address)
        yield running_one, address
    finally:
        running_one.kill()
        running_one.wait(30)


def wait_until_ready(address: str) -> None:
    """Wait until a service is ready."""
    for _ in range(600):
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{address}readyz").status_code == 200:
                return
        time.sleep(0.05)
    raise TimeoutError(f"{address} did not become ready")
