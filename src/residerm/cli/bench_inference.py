"""`residerm bench --inference`: how fast networks run in each runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from residerm.cli.console import out, progress, show_json, show_table
from residerm.config import InferenceBenchOptions

if TYPE_CHECKING:
    from residerm.inference.bench import Speeds


def bench_inference_(
    models: Sequence[str], options: InferenceBenchOptions, *, rounds: int, minutes: float | None, json: bool
) -> int:
    """Measure and print the times and their ratios."""
    from residerm.inference.bench import bench_inference

    with progress() as shown:
        speeds = bench_inference(
            models, sizes=options.sizes, batches=options.batches, rounds=rounds, minutes=minutes,
            threads=options.threads, progress=shown,
        )  # fmt: skip
    if json:
        show_json(speeds.model_dump(mode="json"))
    else:
        _show(speeds)
    return 130 if speeds.interrupted else 0


def _show(speeds: Speeds) -> None:
    from residerm.inference.bench import EAGER

    out.print(f"milliseconds per image, and speed relative to {EAGER}")
    models = list(dict.fromkeys(case.model for case in speeds.cases))
    for model in models:
        _show_network(model, speeds.of(model))
    if len(models) > 1:
        known = ((name, speeds.mean_ratio(name)) for name in speeds.runtimes if name != EAGER)
        means = ", ".join(f"{name} {_times(mean)}" for name, mean in known if mean)
        out.print(f"geometric means over all networks: {means}")
    _show_fastest(speeds)
    able = ", ".join(speeds.features) or "not known"
    rounds = " or ".join(str(count) for count in sorted({case.rounds for case in speeds.cases}))
    out.print(f"{speeds.processor} ({able}), {speeds.threads} threads, medians of {rounds} interleaved rounds")


def _show_fastest(speeds: Speeds) -> None:
    """The fastest runtimes, and whether their parity is known."""
    out.print(f"the fastest in each case, geometric mean: {_times(speeds.mean_of_fastest('float32'))} in float32")
    for found in speeds.parity:
        out.print(f"parity passed: {found}")
    if speeds.parity:
        mean = _times(speeds.mean_of_fastest_accurate)
        out.print(f"the fastest in each case in float32 or with parity passed, geometric mean: {mean}")
    if not speeds.parity and (low := speeds.mean_of_fastest("bf16", "int8")):
        singly = ((one, speeds.mean_of_fastest(one)) for one in ("bf16", "int8"))
        known = ", ".join(f"{_times(mean)} in {one}" for one, mean in singly if mean)
        out.print(f"in bf16 or int8: {_times(low)} ({known}); parity is not known: export a trained model")


def _show_network(model: str, speeds: Speeds) -> None:
    names = list(speeds.cases[0].milliseconds)
    rows = [
        [f"{case.size} px", case.batch, *(f"{case.milliseconds[name]:.2f}\n{case.ratios[name]:.2f}x" for name in names)]
        for case in speeds.cases
    ]
    means = [_times(speeds.mean_ratio(name)) for name in names]
    heads = [_head(name, passed=name in speeds.cases[0].parity) for name in names]
    show_table(model, ("size", "images", *heads), [*rows, ["mean", "", *means]])


def _head(runtime: str, *, passed: bool) -> str:
    """The runtime, its precision and, for a low one, whether it passed the check of parity."""
    library, _, precision = runtime.rpartition(" ")
    parity = "" if precision == "float32" else "\nparity passed" if passed else "\nparity not known"
    return f"{library}\n{precision}{parity}"


def _times(ratio: float | None) -> str:
    return f"{ratio:.2f}x" if ratio else "–"
