"""`residerm theory depth`: the degradation experiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from residerm.cli.console import out, progress, remarks, show_json, show_table
from residerm.cli.flags import with_flags
from residerm.cli.options import Json
from residerm.config import DepthOptions, DepthPreset

if TYPE_CHECKING:
    from residerm.theory.depth import Outcome, Plan


def depth_(
    path: Path | None = None,
    *,
    out_: Annotated[Path, Parameter(name="--out")] = Path("depth"),
    preset: DepthPreset = "small",
    options: Annotated[DepthOptions, Parameter(name="*", consume_multiple=True)] = DepthOptions(),
    json: Json = False,
) -> None:
    """Train plain and residual networks of several depths in the same way, and compare their training errors.

    An interrupted experiment is resumed by the same command. The small preset takes under 5 minutes on two idle
    cores; the full one, with HAM10000, under 90.

    Example: residerm theory depth HAM10000 --preset full --out degradation

    Parameters
    ----------
    path
        The archive, at 32 px. Default: the synthetic archive, drawn into the folder.
    out_
        Folder for the runs, the results and the figures; an unfinished experiment is resumed.
    preset
        small: 20 and 56 layers, narrow, two seeds; full: as published, three seeds.
    """
    from residerm.theory.depth import plan_of
    from residerm.theory.figures import write_depth

    outcomes = _run(plan_of(preset, options, path), out_)
    figures = write_depth(outcomes, out_)
    if json:
        show_json([one.to_dict() for one in outcomes])
    else:
        _show(outcomes)
    remarks.print(f"figures: {figures}; runs: {out_}")


def _run(plan: Plan, folder: Path) -> list[Outcome]:
    """Run the experiment with progress on the terminal."""
    from residerm.theory.depth import run_depth

    with progress() as shown:
        try:
            return run_depth(plan, folder, shown)
        except KeyboardInterrupt:
            remarks.print("stopped; the same command resumes it")
            raise


def _show(outcomes: list[Outcome]) -> None:
    from residerm.theory.readings import of_depths, spread

    lines = []
    for kind, depth in dict.fromkeys((one.cell.kind, one.cell.depth) for one in outcomes):
        own = [one for one in outcomes if (one.cell.kind, one.cell.depth) == (kind, depth)]
        minutes = sum(one.minutes for one in own) / len(own)
        lines.append(
            (kind, depth, own[0].parameters, len(own), spread([one.training_error for one in own]),
             spread([one.validation_error for one in own]), f"{minutes:.1f}")
        )  # fmt: skip
    columns = ("network", "layers", "parameters", "seeds", "training error", "validation error", "minutes")
    show_table("Errors of the last weights: mean over the seeds, and range", columns, lines)
    training, validation = outcomes[0].baselines
    out.print(f"always predicting the most common class: {training:.1%} in training, {validation:.1%} in validation")
    for sentence in of_depths(outcomes):
        out.print(f"- {with_flags(sentence)}")
