"""`residerm bench` as functions: for training, for a network in each runtime, and for the service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from residerm.commands.training import make_experiment
from residerm.config import BenchOptions, InferenceBenchOptions, ServiceBenchOptions
from residerm.config.given import Given
from residerm.progress import SILENT, Progress

if TYPE_CHECKING:
    from residerm.inference.bench import Speeds
    from residerm.service.bench import ServiceFigures
    from residerm.training.bench import TrainingSpeeds


def bench(path: str | Path, *, progress: Progress = SILENT, **options: object) -> TrainingSpeeds:
    """Measure the speed of training, compared with the hardware's limit and with a plain training loop.

    Takes the options of `train`, and `rounds`, `steps`, `minutes`, `plain` and `startup`.

    Example:
        speeds = residerm.bench(archive, model="cnn", rounds=1, steps=2, plain=False, startup=False)
        print(speeds.ratios["loop/bare"])

    """
    from residerm.training.bench import bench

    given = Given(options, "bench")
    asked = given.take(BenchOptions)
    return bench(make_experiment(path, given.rest()), asked, progress)


def bench_inference(
    models: str | Path | Sequence[str | Path],
    *,
    rounds: int = 5,
    minutes: float | None = None,
    progress: Progress = SILENT,
    **options: object,
) -> Speeds:
    """Measure the speed of networks in each runtime; `models` are names of networks, runs, or bundles.

    For a run, its exports are measured too.

    Example:
        runtimes = residerm.bench_inference("cnn", rounds=1, sizes=(32,), batches=(1,))
        print(runtimes.cases[0].ratios, runtimes.mean_of_fastest("float32"))

    """
    from residerm.inference.bench import bench_inference

    given = Given(options, "bench_inference")
    asked = given.take(InferenceBenchOptions)
    given.refuse_rest()
    return bench_inference(
        models, sizes=asked.sizes, batches=asked.batches, rounds=rounds, minutes=minutes, threads=asked.threads,
        progress=progress,
    )  # fmt: skip


def bench_service(model: str | Path = "starter", *, progress: Progress = SILENT, **options: object) -> ServiceFigures:
    """Measure the service of a model from a second process, also under overload and with malformed requests.

    Example:
        figures = residerm.bench_service("starter", seconds=10, requests=1_000)
        print(figures.one_client.ratio)

    """
    from residerm.service.bench import bench_service

    given = Given(options, "bench_service")
    asked = given.take(ServiceBenchOptions)
    given.refuse_rest()
    return bench_service(str(model), overload_seconds=asked.seconds, hostile_requests=asked.requests, progress=progress)
