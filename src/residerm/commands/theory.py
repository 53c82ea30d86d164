"""The commands of `residerm theory` as functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from residerm.config import DepthOptions, EquationOptions, FlowOptions
from residerm.config.given import Given
from residerm.config.theory import DepthPreset
from residerm.errors import UsageError
from residerm.progress import SILENT, Progress

if TYPE_CHECKING:
    from residerm.theory.check import EquationReport
    from residerm.theory.depth import Outcome
    from residerm.theory.flow import FreshFlow, RunFlow


def theory_check(
    run: str | Path | None = None, *, out: str | Path | None = None, progress: Progress = SILENT, **options: object
) -> EquationReport:
    """Check every equation against an independent computation; with `run`, also inside its network.

    With `out`, the figures are written to a new folder.

    Example:
        assert residerm.theory_check(depth=8).holds

    """
    from residerm.theory.check import check_equations
    from residerm.theory.figures import figures_in, write_check

    given = Given(options, "theory_check")
    asked = given.take(EquationOptions)
    given.refuse_rest()
    with figures_in(out) as folder:
        report = check_equations(Path(run) if run else None, asked, progress)
        if folder:
            write_check(report, folder)
    return report


def theory_flow(
    run: str | Path | None = None,
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    progress: Progress = SILENT,
    **options: object,
) -> FreshFlow | RunFlow:
    """Measure the gradient at every layer, of new plain and residual networks or of a trained network.

    With `out`, the figures are written to a new folder.

    Example:
        flow = residerm.theory_flow(data=archive, depths=(8,), steps=2, training_depth=8)
        print(flow.courses[0].measured.layers[0].gradient)

    """
    from residerm.theory.figures import figures_in, write_flow
    from residerm.theory.flow import flow_of_fresh, flow_of_run

    given = Given(options, "theory_flow")
    asked = given.take(FlowOptions)
    given.refuse_rest()
    if run and data:
        raise UsageError("`data` is for new networks: a run is measured on the archive that it was trained on")
    with figures_in(out) as folder:
        found = (
            flow_of_run(Path(run), progress) if run else flow_of_fresh(Path(data) if data else None, asked, progress)
        )
        if folder:
            write_flow(found, folder)
    return found


def theory_depth(
    path: str | Path | None = None,
    *,
    out: str | Path = "depth",
    preset: DepthPreset = "small",
    progress: Progress = SILENT,
    **options: object,
) -> list[Outcome]:
    """Train plain and residual networks of several depths in the same way, and compare their training errors.

    An interrupted experiment is resumed by a call with the same options.

    Example:
        outcomes = residerm.theory_depth(archive, depths=(8,), seeds=(0,), epochs=1)
        print([outcome.training_error for outcome in outcomes])

    """
    from residerm.theory.depth import plan_of, run_depth
    from residerm.theory.figures import write_depth

    given = Given(options, "theory_depth")
    asked = given.take(DepthOptions)
    given.refuse_rest()
    outcomes = run_depth(plan_of(preset, asked, Path(path) if path else None), Path(out), progress)
    write_depth(outcomes, Path(out))
    return outcomes
