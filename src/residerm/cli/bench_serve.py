"""`residerm bench --serve`: the speed of the service, compared with the predictor alone."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from residerm.cli.console import out, progress, show_json, show_table
from residerm.config import ServiceBenchOptions

if TYPE_CHECKING:
    from residerm.service.bench import ServiceFigures
    from residerm.service.bench.measure import UnderLoad


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
    return 0


def _show(figures: ServiceFigures) -> None:
    what = (
        f"{figures.model} in {figures.runtime}, JPEG of 600x450 ({figures.image_bytes:,} bytes), {figures.cores} cores"
    )
    one, many = figures.one_client, figures.throughput
    rows = [
        ("one client, ms per image", f"{median(one.own):.1f}", f"{median(one.served):.1f}", f"{one.ratio:.2f}"),
        ("images per second", f"{median(many.own):.0f}", f"{median(many.served):.0f}", f"{many.ratio:.2f}"),
    ]
    show_table(what, ("", "predictor", "service", "ratio"), rows)
    loads = [
        _row("80 % load", figures.steady),
        _row("ten times the load", figures.overload),
        _row("one client afterwards", figures.afterwards),
        _row("malformed requests", figures.hostile),
    ]
    show_table("under load", ("", "per second", "p50, ms", "p99, ms", "memory, MB", "statuses"), loads)
    out.print(f"ready after {figures.seconds_to_ready:.2f} s, with {_megabytes(figures.resident_bytes)} MB of memory")
    out.print("the service still answers" if figures.survived else "the service DIED or does not answer")


def _row(name: str, load: UnderLoad) -> tuple[str, ...]:
    statuses = ", ".join(f"{count:,} x {status}" for status, count in load.statuses.items())
    rate = f"{load.asked / load.seconds:,.0f}"
    return name, rate, f"{load.p50:.1f}", f"{load.p99:.1f}", _megabytes(load.resident_bytes), statuses


def _megabytes(size: int | None) -> str:
    return "–" if size is None else f"{size / 1e6:.0f}"
