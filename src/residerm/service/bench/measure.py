"""Measure the service, and the predictor alone in the same minutes.

    one client     p50 of a request / time of the predictor alone for one image, with decoding; interleaved
    throughput     as many connections as the queue holds / the predictor alone with batches of 16, decoded in one
                   thread per core; interleaved
    steady         at 80 % of that rate, without deadline and limits: p99
    overload       ten times that rate: statuses, p99 of accepted requests, memory; and p50 afterwards
    hostile        malformed requests: statuses, memory

The client runs on the same cores; it takes 0.03 to 0.04 ms of CPU time per request.
"""

from __future__ import annotations

import base64
import io
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeAlias

import numpy as np
from PIL import Image
from pydantic import BaseModel

from residerm import imaging
from residerm.config import ServeOptions
from residerm.inference import Predictor
from residerm.parallel import cores
from residerm.progress import SILENT, Progress
from residerm.service.bench.load import Outcome, Plan
from residerm.service.bench.target import Target
from residerm.service.loading import load_served

_ROUNDS = 5
_PARTS = 10
_HOSTILE_SECONDS = 0.002  # expected, for a malformed request
_ONE_CLIENT_SECONDS, _THROUGHPUT_SECONDS, _STEADY_SECONDS = 3.0, 6.0, 60.0
_BATCH = 16
_CLIENTS = ServeOptions().queue
_LOAD, _OVERLOAD = 0.8, 10.0
_OVERLOAD_CONNECTIONS = 128
_UNLIMITED = ("--deadline", "3600", "--queue", "100000", "--client-requests", "100000", "--connections", "10000")

Stage: TypeAlias = Callable[[str, float], None]


class Turns(BaseModel):
    """Measurements of the predictor alone and of the service, by round."""

    own: list[float]
    served: list[float]

    @property
    def ratio(self) -> float:
        """The median of the ratios within a round."""
        return statistics.median(served / own for served, own in zip(self.served, self.own, strict=True))


class UnderLoad(BaseModel):
    """The outcome of a load, and the memory of the service after it."""

    asked: int
    seconds: float
    statuses: dict[str, int]
    p50: float
    p99: float
    resident_bytes: int | None


class ServiceFigures(BaseModel):
    """All measurements of one run; None for those that it did not reach.

    Times are in milliseconds, of responses with status 200.
    """

    model: str
    runtime: str
    image_bytes: int
    cores: int
    seconds_to_ready: float | None = None
    resident_bytes: int | None = None
    one_client: Turns | None = None
    throughput: Turns | None = None
    steady: UnderLoad | None = None
    overload: UnderLoad | None = None
    afterwards: UnderLoad | None = None
    hostile: tuple[UnderLoad, ...] = ()  # the malformed requests in ten parts
    survived: bool | None = None


def bench_service(
    model: str, *, overload_seconds: float = 120.0, hostile_requests: int = 100_000, progress: Progress = SILENT
) -> ServiceFigures:
    """Measure a service of a model from a second process on loopback; Ctrl-C returns the measurements so far."""
    predictor, image = load_served(model, cores()).predictor, _photograph()
    figures = ServiceFigures(
        model=predictor.description.model, runtime=predictor.runtime, image_bytes=len(image), cores=cores()
    )
    stage = _stages(progress, overload_seconds, hostile_requests)
    progress.remark("Ctrl-C stops the benchmark and shows the measurements so far")
    with suppress(KeyboardInterrupt):
        rate = _measure_speed(figures, model, predictor, image, stage)
        _measure_load(figures, model, image, rate, overload_seconds, stage)
        with Target(model) as target:
            for part in range(_PARTS):
                stage("malformed requests", _HOSTILE_SECONDS * hostile_requests / _PARTS)
                figures.hostile += (_hostile(target, image, hostile_requests // _PARTS or 1, part),)
            figures.survived = target.is_alive
        stage("", 0)
    return figures


def _measure_speed(figures: ServiceFigures, model: str, predictor: Predictor, image: bytes, stage: Stage) -> float:
    """One client and many; the requests per second that many clients get answered."""
    with Target(model) as target:
        figures.seconds_to_ready, figures.resident_bytes = target.seconds_to_ready, target.resident_bytes
        stage("one client", 2 * (_ROUNDS + 1) * _ONE_CLIENT_SECONDS)
        figures.one_client = _one_client(predictor, target, image)
        stage("throughput", 2 * (_ROUNDS + 1) * _THROUGHPUT_SECONDS)
        figures.throughput = _throughput(predictor, target, image)
    return statistics.median(figures.throughput.served)


def _measure_load(
    figures: ServiceFigures, model: str, image: bytes, rate: float, overload_seconds: float, stage: Stage
) -> None:
    """A load that the service can carry, ten times as much, and one client afterwards."""
    with Target(model, *_UNLIMITED) as target:
        stage("80 % load", _STEADY_SECONDS)
        figures.steady = _load(target, image, mode="open", rate=_LOAD * rate, connections=64, seconds=_STEADY_SECONDS)
    with Target(model) as target:
        stage("ten times the load", overload_seconds + _ONE_CLIENT_SECONDS)
        crowd = {"rate": _OVERLOAD * rate, "connections": _OVERLOAD_CONNECTIONS, "seconds": overload_seconds}
        figures.overload = _load(target, image, mode="open", **crowd)
        figures.afterwards = _load(target, image, mode="closed", seconds=_ONE_CLIENT_SECONDS)


def _hostile(target: Target, image: bytes, requests: int, seed: int) -> UnderLoad:
    connections = min(8, requests)
    return _load(target, image, mode="hostile", connections=connections, requests=requests, seed=seed)


def _stages(progress: Progress, overload_seconds: float, hostile_requests: int) -> Stage:
    """Reports a stage that begins, with the seconds it is expected to take, as progress in seconds."""
    speed = 2 * (_ROUNDS + 1) * (_ONE_CLIENT_SECONDS + _THROUGHPUT_SECONDS)
    load = _STEADY_SECONDS + overload_seconds + _ONE_CLIENT_SECONDS
    total = round(speed + load + _HOSTILE_SECONDS * hostile_requests)
    done = 0.0

    def begin(name: str, seconds: float) -> None:
        nonlocal done
        progress.advance("measuring", round(done), total, unit="seconds", note=name)
        done += seconds

    return begin


def _one_client(predictor: Predictor, target: Target, image: bytes) -> Turns:
    """Milliseconds per image."""
    return _in_turns(
        lambda: _own_milliseconds(predictor, image),
        lambda: _load(target, image, mode="closed", seconds=_ONE_CLIENT_SECONDS).p50,
    )


def _throughput(predictor: Predictor, target: Target, image: bytes) -> Turns:
    """Images per second."""

    def served() -> float:
        found = _load(target, image, mode="closed", seconds=_THROUGHPUT_SECONDS, connections=_CLIENTS)
        return found.statuses.get("200", 0) / found.seconds

    return _in_turns(lambda: _own_throughput(predictor, image), served)


def _in_turns(own: Callable[[], float], served: Callable[[], float]) -> Turns:
    own(), served()  # warm up
    rounds = [(own(), served()) for _ in range(_ROUNDS)]
    return Turns(own=[one for one, _ in rounds], served=[other for _, other in rounds])


def _load(target: Target, image: bytes, **plan: object) -> UnderLoad:
    """Run the client process with a plan, and return what it measured."""
    whole = Plan.model_validate({"port": target.port, "image": base64.b64encode(image).decode(), **plan})
    command = [sys.executable, "-m", "residerm.service.bench.load"]
    done = subprocess.run(command, input=whole.model_dump_json(), capture_output=True, text=True, check=True)
    outcome = Outcome.model_validate_json(done.stdout)
    return UnderLoad(
        asked=outcome.sent,
        seconds=outcome.seconds,
        statuses=dict(sorted(outcome.statuses.items())),
        p50=outcome.percentile(0.5),
        p99=outcome.percentile(0.99),
        resident_bytes=target.resident_bytes,
    )


def _own_milliseconds(predictor: Predictor, image: bytes) -> float:
    times = []
    until = time.monotonic() + _ONE_CLIENT_SECONDS
    while time.monotonic() < until:
        started = time.monotonic()
        predictor.predict([image])
        times.append(1000 * (time.monotonic() - started))
    return statistics.median(times)


def _own_throughput(predictor: Predictor, image: bytes) -> float:
    spec, images, started = predictor.description.pixels, 0, time.monotonic()
    with ThreadPoolExecutor(cores()) as pool:
        while time.monotonic() - started < _THROUGHPUT_SECONDS:
            pixels = list(pool.map(lambda _: imaging.read(image, spec), range(_BATCH)))
            predictor.outputs(np.stack(pixels))
            images += _BATCH
    return images / (time.monotonic() - started)


def _photograph() -> bytes:
    """A synthetic JPEG of the size of a published dermoscopic image, with smooth shading and fine texture."""
    draw = np.random.default_rng(0)
    coarse = Image.fromarray(draw.integers(90, 230, (6, 8, 3), dtype=np.uint8)).resize(
        (600, 450), Image.Resampling.BICUBIC
    )
    pixels = np.asarray(coarse, np.float32) + draw.normal(0, 9, (450, 600, 1))
    stream = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(stream, "JPEG", quality=90)
    return stream.getvalue()
