"""`residerm theory check`: compare every equation with an independent computation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich import box
from rich.table import Table

from residerm.cli.console import out, progress, remarks, show_json
from residerm.cli.options import Json
from residerm.config import EquationOptions

if TYPE_CHECKING:
    from residerm.theory.check import EquationReport


def check_(
    run: Path | None = None,
    *,
    options: Annotated[EquationOptions, Parameter(name="*")] = EquationOptions(),
    out_: Annotated[Path | None, Parameter(name="--out")] = None,
    json: Json = False,
) -> int:
    """Compare every equation of the paper and the talk with an independent computation, in float64.

    Example: residerm theory check --out figures

    Parameters
    ----------
    run
        Run folder of a residual network, whose blocks are also checked, on images that it was trained on.
    out_
        New folder for the figures.
    """
    from residerm.theory.check import check_equations
    from residerm.theory.figures import figures_in, write_check

    with figures_in(out_) as folder:
        with progress() as shown:
            report = check_equations(run, options, shown)
        if json:
            show_json(report.to_dict())
        else:
            _show(report)
        if folder:
            remarks.print(f"figures in {out_}: {', '.join(write_check(report, folder))}")
    return 0 if report.holds else 1


def _show(report: EquationReport) -> None:
    _show_equations(report)
    out.print("Misprints and overstatements:")
    for one in report.findings:
        if one.correction:
            printed = f" (as printed, the error is {one.printed:.2g})" if one.printed is not None else ""
            out.print(f"- {one.equation}: {one.correction}{printed}")
    out.print("\nRemarks:")
    for one in report.findings:
        if one.remark:
            out.print(f"- {one.equation}: {one.remark}")
    out.print("\nSize of the gradient after the sum, relative to the direct term, over blocks and images:")
    for inside in report.inside:
        out.print(f"- {inside.name}: " + ", ".join(f"{name} {size:.2f}" for name, size in inside.quantiles.items()))
    failed = [one.equation for one in report.findings if not one.holds]
    text = f"{len(failed)} do not hold: {'; '.join(failed)}" if failed else "All equations hold, with the corrections."
    out.print(f"\n{text}")


def _show_equations(report: EquationReport) -> None:
    """Print the table of equations, in which both long columns may wrap."""
    table = Table(
        title="Equations and an independent computation, in float64",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("equation", ratio=10)
    table.add_column("where", width=10)
    table.add_column("error", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("what was compared", ratio=11)
    for one in report.findings:
        table.add_row(one.equation, one.place, f"{one.error:.0e}", one.verdict, one.compared)
    out.print(table)
    out.print("error: the largest relative error over all layers, steps and random networks\n")
