"""`residerm bench --serve`: the speed of the service, compared with the predictor alone."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from residerm.cli.console import out, progress, show_json, show_table
from residerm.config import ServiceBenchOptions

if TYPE_CHECKING:
    from residerm.service.bench import ServiceFigures
    from residerm.service.bench.measure import UnderLoad

_STOPPED = 130  # the exit code after Ctrl-C


def bench_serve(model: str, options: ServiceBenchOptions, *, json: bool) -> int:
    """Measure the service of a model and print the results."""
    from residerm.service.bench import bench_service

    with progress() as shown:
        figures = bench_service(
            model, overload_seconds=options.seconds, hostile_requests=options.requests, progress=shown
        )
    if json:
        show_json(figures.model_dump(mode="json"))
    else:
        _show(figures)
    return 0 if figures.survived is not None else _STOPPED


def _show(figures: ServiceFigures) -> None:
    _show_turns(figures)
    _show_loads(figures)
    if figures.overload and figures.steady:
        out.print(f"p99 at ten times the load / p99 at 80 % load: {figures.overload.p99 / figures.steady.p99:.2f}")
    if figures.seconds_to_ready is not None:
        memory = _megabytes(figures.resident_bytes)
        out.print(f"ready after {figures.seconds_to_ready:.2f} s, with {memory} MB of memory")
    if figures.survived is None:
        out.print("stopped: the other measurements are missing")
    else:
        out.print("the service still answers" if figures.survived else "the service DIED or does not answer")


def _show_turns(figures: ServiceFigures) -> None:
    title = (
        f"{figures.model} in {figures.runtime}, JPEG of 600x450 ({figures.image_bytes:,} bytes), {figures.cores} cores"
    )
    rows = [
        (name, f"{median(turns.own):.{digits}f}", f"{median(turns.served):.{digits}f}", f"{turns.ratio:.2f}")
        for name, turns, digits in (
            ("one client, ms per image", figures.one_client, 1),
            ("images per second", figures.throughput, 0),
        )
        if turns
    ]
    show_table(title, ("", "predictor", "service", "ratio"), rows)


def _show_loads(figures: ServiceFigures) -> None:
    loads = (
        ("80 % load", figures.steady),
        ("ten times the load", figures.overload),
        ("one client afterwards", figures.afterwards),
        *(("malformed requests", part) for part in figures.hostile),
    )
    rows = [_row(name, load) for name, load in loads if load]
    show_table("under load", ("", "per second", "p50, ms", "p99, ms", "memory, MB", "statuses"), rows)


def _row(name: str, load: UnderLoad) -> tuple[str, ...]:
    statuses = ", ".join(f"{count:,} x {status}" for status, count in load.statuses.items())
    rate = f"{load.asked / load.seconds:,.0f}"
    return name, rate, f"{load.p50:.1f}", f"{load.p99:.1f}", _megabytes(load.resident_bytes), statuses


def _megabytes(size: int | None) -> str:
    return "–" if size is None else f"{size / 1e6:.0f}"
