"""`residerm bench --inference`: how fast a network runs in each runtime."""

from __future__ import annotations

from residerm.cli.console import out, progress, show_json, show_table
from residerm.config import InferenceBenchOptions


def bench_inference_(model: str, options: InferenceBenchOptions, *, rounds: int, json: bool) -> int:
    """Measure, and show the times and their ratios."""
    from residerm.inference.bench import EAGER, bench_inference

    with progress() as shown:
        speeds = bench_inference(
            model, sizes=options.sizes, batches=options.batches, rounds=rounds, threads=options.threads, progress=shown
        )
    if json:
        show_json(speeds.model_dump(mode="json"))
        return 0
    names = list(speeds.cases[0].milliseconds)
    rows = [
        [f"{case.size} px", case.batch, *(f"{case.milliseconds[name]:.2f}\n{case.ratios[name]:.2f}x" for name in names)]
        for case in speeds.cases
    ]
    means = [f"{mean:.2f}x" if (mean := speeds.mean_ratio(name)) else "" for name in names]
    title = f"{speeds.model}: milliseconds an image, and how many times as fast as {EAGER}"
    show_table(title, ("size", "images", *names), [*rows, ["geometric mean", "", *means]])
    able = ", ".join(speeds.features) or "not known"
    out.print(f"{speeds.processor} ({able}), {speeds.threads} threads, medians of {speeds.rounds} rounds in turns")
    return 0
