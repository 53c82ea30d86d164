"""`residerm bench`: throughput against the machine's own limit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators

from residerm.cli import options
from residerm.cli.bench_inference import bench_inference_
from residerm.cli.bench_serve import bench_serve
from residerm.cli.console import out, progress, show_json, show_table
from residerm.cli.options import Json, OnByDefault, flags
from residerm.cli.train import gather
from residerm.config import ArchiveOptions, AugmentOptions, ModelOptions, PixelSpec, ResNetOptions, TrainOptions
from residerm.errors import UsageError

_Number = Annotated[int, Parameter(validator=validators.Number(gte=1))]
_NAMES = {
    "loop": "residerm train: cache, augmentation, optimiser, EMA, metrics",
    "bare": "bare step: forward, backward, optimiser, EMA on one batch in memory",
    "plain": "plain loop: ImageFolder, DataLoader with 2 workers, float32",
}


def bench_(
    path: Path | None = None,
    *,
    serve: str | None = None,
    inference: str | None = None,
    sizes: tuple[int, ...] = (64, 128, 224),
    batches: tuple[int, ...] = (1, 32),
    threads: _Number | None = None,
    archive: Annotated[ArchiveOptions, flags(options.DATA)] = ArchiveOptions(),
    pixels: Annotated[PixelSpec, flags(options.DATA, some_are_on=True)] = PixelSpec(),
    augmentation: Annotated[AugmentOptions, flags(options.AUGMENTATION, some_are_on=True)] = AugmentOptions(),
    network: Annotated[ModelOptions, flags(options.NETWORK, some_are_on=True)] = ModelOptions(),
    resnet: Annotated[ResNetOptions, flags(options.RESNET, some_are_on=True)] = ResNetOptions(),
    training: Annotated[TrainOptions, flags(options.OPTIMISATION)] = TrainOptions(),
    rounds: _Number = 5,
    steps: _Number = 20,
    minutes: Annotated[float, Parameter(validator=validators.Number(gt=0))] | None = None,
    plain: OnByDefault = True,
    run: OnByDefault = True,
    seconds: _Number = 120,
    requests: _Number = 100_000,
    json: Json = False,
) -> int:
    """Measure training against the machine's own limit and against a plain loop, in turns.

    Example: residerm bench HAM10000 --model resnet50 --size 64

    Parameters
    ----------
    path
        The archive.
    serve
        Measure the service of this model instead, from a second process: `starter`, an exported bundle, or a run.
    inference
        Measure instead how fast a network runs in each runtime: its name, or a run or a bundle in torch.
    sizes
        With --inference and a name: sides of the images, in pixels.
    batches
        With --inference: numbers of images that go through the network together.
    threads
        With --inference: threads of every runtime. Default: one for each core.
    rounds
        Rounds in which each takes its turn; their medians are shown.
    steps
        Steps in a turn.
    minutes
        Begin no further round after so many minutes.
    plain
        Measure the plain loop too; it unpacks the training images into a temporary folder.
    run
        Measure start and private memory, by a run of one epoch in a process of its own.
    seconds
        With serve: seconds of overload.
    requests
        With serve: number of malformed requests.
    """
    if serve is not None:
        bench_serve(serve, seconds=seconds, requests=requests, json=json)
        return 0
    if inference is not None:
        bench_inference_(inference, sizes=sizes, batches=batches, rounds=rounds, threads=threads, json=json)
        return 0
    if path is None:
        raise UsageError("PATH is missing: give an archive, or `serve` or `inference` and a model")
    groups = (archive, pixels, augmentation, network, resnet, training)
    experiment = gather(path, groups, config=None, preset=None)
    from residerm.training.bench import bench

    with progress() as shown:
        result = bench(experiment, rounds=rounds, steps=steps, minutes=minutes, plain=plain, probe=run, progress=shown)
    if json:
        show_json(result)
    else:
        _show(result)
    return 130 if result["interrupted"] else 0


def _show(result: dict[str, Any]) -> None:
    what = f"{result['model']} at {result['size']} px, batches of {result['batch_size']}, {result['precision']}"
    rows = [
        [_NAMES[name], f"{speed:,.0f}", f"{min(result['rounds'][name]):,.0f} to {max(result['rounds'][name]):,.0f}"]
        for name, speed in result["images_per_second"].items()
    ]
    columns = ("training images a second", "median", f"of {len(result['rounds']['loop'])} rounds")
    show_table(f"{what}, {result['device']}", columns, rows)
    for ratio, value in result["ratios"].items():
        out.print(f"{ratio.replace('/', ' to ')}: {value:.2f} (median of the ratios within a round)")
    for name, reason in result["absent"].items():
        out.print(f"{name}: not measured, {reason}")
    if "run" in result:
        run = result["run"]
        out.print(
            f"a run of its own: imports {run['imports_seconds']:.1f} s, first step {run['first_step_seconds']:.1f} s "
            f"later, peak private memory {run['peak_private_bytes'] / 1e9:.2f} GB"
        )
