"""`residerm bench`: the speed of training, compared with the hardware's limit and with a plain loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from residerm.cli import options
from residerm.cli.bench_inference import bench_inference_
from residerm.cli.bench_serve import bench_serve
from residerm.cli.console import out, progress, remarks, show_json, show_table
from residerm.cli.options import Json, flags
from residerm.cli.train import gather
from residerm.config import (
    ArchiveOptions,
    AugmentOptions,
    BenchOptions,
    Experiment,
    InferenceBenchOptions,
    ModelOptions,
    PixelSpec,
    ResNetOptions,
    ServiceBenchOptions,
    TrainOptions,
)
from residerm.errors import UsageError, counted

if TYPE_CHECKING:
    from residerm.training.bench import TrainingSpeeds

_NAMES = {
    "loop": "residerm train: cache, augmentation, optimiser, EMA, metrics",
    "bare": "bare step: forward, backward, optimiser, EMA on one batch in memory",
    "plain": "plain loop: ImageFolder, DataLoader with 2 workers, float32",
}


def bench_(
    path: Path | None = None,
    *,
    serve: str | None = None,
    inference: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    measured: Annotated[BenchOptions, flags(some_are_on=True)] = BenchOptions(),
    runtimes: Annotated[InferenceBenchOptions, flags(options.BENCH_INFERENCE, several=True)] = InferenceBenchOptions(),
    load: Annotated[ServiceBenchOptions, flags(options.BENCH_SERVICE)] = ServiceBenchOptions(),
    archive: Annotated[ArchiveOptions, flags(options.DATA)] = ArchiveOptions(),
    pixels: Annotated[PixelSpec, flags(options.DATA, some_are_on=True)] = PixelSpec(),
    augmentation: Annotated[AugmentOptions, flags(options.AUGMENTATION, some_are_on=True)] = AugmentOptions(),
    network: Annotated[ModelOptions, flags(options.NETWORK, some_are_on=True)] = ModelOptions(),
    resnet: Annotated[ResNetOptions, flags(options.RESNET, some_are_on=True)] = ResNetOptions(),
    training: Annotated[TrainOptions, flags(options.OPTIMISATION)] = TrainOptions(),
    json: Json = False,
) -> int:
    """Measure the speed of training, compared with the hardware's limit and with a plain loop.

    Example: residerm bench HAM10000 --model resnet50 --size 64

    Parameters
    ----------
    path
        The archive.
    serve
        Measure the service of this model instead, from a second process: `starter`, an exported bundle, or a run.
    inference
        Measure the speed of networks in each runtime instead: names of networks, runs with their exports, or bundles.
    """
    try:
        if serve is not None:
            return bench_serve(serve, load, json=json)
        if inference:
            return bench_inference_(inference, runtimes, rounds=measured.rounds, minutes=measured.minutes, json=json)
        if path is None:
            raise UsageError("PATH is missing: give an archive, or `serve` or `inference` with a model")
        groups = (archive, pixels, augmentation, network, resnet, training)
        return _bench_training(gather(path, groups, config=None, preset=None), measured, json)
    except KeyboardInterrupt:
        remarks.print("stopped before the first measurement: there are no results to show")
        return 130


def _bench_training(experiment: Experiment, measured: BenchOptions, json: bool) -> int:
    from residerm.training.bench import bench

    with progress() as shown:
        speeds = bench(experiment, measured, shown)
    if json:
        show_json(speeds.model_dump(mode="json"))
    else:
        _show(speeds)
    return 130 if speeds.interrupted else 0


def _show(speeds: TrainingSpeeds) -> None:
    rows = [
        [_NAMES[name], f"{speed:,.0f}", f"{min(speeds.rounds[name]):,.0f} to {max(speeds.rounds[name]):,.0f}"]
        for name, speed in speeds.images_per_second.items()
    ]
    columns = ("training images per second", "median", f"of {counted(len(speeds.rounds['loop']), 'round')}")
    what = f"{speeds.model} at {speeds.size} px, batches of {speeds.batch_size}, {speeds.precision}"
    show_table(f"{what}, {speeds.device}", columns, rows)
    for ratio, value in speeds.ratios.items():
        out.print(f"{ratio.replace('/', ' to ')}: {value:.2f} (median of the ratios within a round)")
    for name, reason in speeds.absent.items():
        out.print(f"{name}: not measured, {reason}")
    if (run := speeds.startup) is not None:
        out.print(
            f"start of a run: imports {run.imports_seconds:.1f} s, first step {run.first_step_seconds:.1f} s "
            f"later, peak private memory {run.peak_private_bytes / 1e9:.2f} GB"
        )
