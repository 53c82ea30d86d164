"""`residerm theory flow`: the gradient at every layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from residerm.cli.console import out, progress, remarks, show_json, show_table
from residerm.cli.options import Json
from residerm.config import FlowOptions
from residerm.errors import UsageError

if TYPE_CHECKING:
    from residerm.theory.flow import FreshFlow, RunFlow


def flow_(
    run: Path | None = None,
    *,
    data: Path | None = None,
    options: Annotated[FlowOptions, Parameter(name="*", consume_multiple=True)] = FlowOptions(),
    out_: Annotated[Path | None, Parameter(name="--out")] = None,
    json: Json = False,
) -> None:
    """Measure the gradient at every layer, of new plain and residual networks or of a trained network.

    Example: residerm theory flow --out figures

    Parameters
    ----------
    run
        Run folder: measure its network on images that it was trained on.
    data
        Archive for the new networks, at 32 px. Default: the synthetic archive.
    out_
        New folder for the figures.
    """
    if run and data:
        raise UsageError("`data` is for new networks: a run is measured on the archive that it was trained on")
    from residerm.theory.figures import figures_in, write_flow
    from residerm.theory.flow import RunFlow, flow_of_fresh, flow_of_run

    with figures_in(out_) as folder:
        with progress() as shown:
            found = flow_of_run(run, shown) if run else flow_of_fresh(data, options, shown)
        if json:
            show_json(found.to_dict())
        elif isinstance(found, RunFlow):
            _show_run(found)
        else:
            _show_fresh(found)
        if folder:
            remarks.print(f"figures in {out_}: {', '.join(write_flow(found, folder))}")


def _show_run(found: RunFlow) -> None:
    from residerm.theory.readings import of_run, power

    lines = [
        (layer.name, power(layer.gradient), power(layer.relative), f"{layer.activation:.2g}")
        for layer in found.measured.layers
    ]
    columns = ("layer, from the input", "gradient", "relative to weights", "output")
    show_table(f"{found.model} on a batch of {found.images}, loss {found.measured.loss:.3g}", columns, lines)
    out.print(of_run(found))


def _show_fresh(found: FreshFlow) -> None:
    from residerm.theory.plain import KINDS
    from residerm.theory.readings import of_courses, of_training, power

    lines = [
        (KINDS[one.kind], one.start, one.depth, *(power(one.measured.layers[end].gradient) for end in (0, -1)),
         len(one.measured.starved))
        for one in found.courses
    ]  # fmt: skip
    columns = ("network", "start", "layers", "first", "last", "without gradient")
    show_table(f"Gradients of the first and the last layer before any training, on {found.images}", columns, lines)
    for key in dict.fromkeys((one.kind, one.start) for one in found.courses):
        out.print(f"- {of_courses([one for one in found.courses if (one.kind, one.start) == key])}")
    for training in found.trainings:
        out.print(f"- {of_training(training)}")
