"""`residerm runs`: list and compare what was trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from residerm.cli.console import out, show_json, show_table
from residerm.cli.options import Json
from residerm.errors import ResidermError

if TYPE_CHECKING:
    from residerm.report.overview import RunLine

_VALIDATION = ("macro_auc", "balanced_accuracy")


def runs_(
    folder: Path = Path("runs"), *, sort: Literal["started", "test", "validation"] = "started", json: Json = False
) -> None:
    """List the runs in a folder: task, split, how each ended, and its scores.

    Example: residerm runs --sort test

    Parameters
    ----------
    folder
        Where `residerm train` keeps its runs.
    sort
        By time; or by balanced accuracy on the test or the validation part, the highest first. Runs of different
        tasks are listed apart: their scores do not compare.
    """
    from residerm.report.overview import overview

    lines = overview(folder, sort)
    if json:
        show_json(
            [
                {**line.model_dump(mode="json", exclude_none=True), "exports": _exports(folder / line.run)}
                for line in lines
            ]
        )
        return
    if not lines:
        out.print(f"{folder} holds no runs: residerm train PATH makes one")
    for task in dict.fromkeys(line.task for line in lines):
        _show(f"{folder}: {task}", [line for line in lines if line.task == task])
    for line in lines:
        for name, said in _exports(folder / line.run).items():
            out.print(f"{line.run}/exports/{name}: {said}")


def _exports(run: Path) -> dict[str, str]:
    """What was exported into a run's folder, with its record of parity in a line."""
    found = sorted((run / "exports").glob("*/parity.json"))
    if not found:
        return {}
    from residerm.inference.parity import ParityRecord

    said = {}
    for path in found:
        try:
            said[path.parent.name] = ParityRecord.read(path).explained
        except ResidermError as error:
            said[path.parent.name] = str(error)
    return said


def _show(title: str, lines: list[RunLine]) -> None:
    from residerm.report.estimates import SCORES

    scores = [f"validation\n{SCORES[name].name}" for name in _VALIDATION]
    columns = ("run", "fold", "split", "epochs", *scores, "test balanced\naccuracy", "minutes", "ended")
    rows = [
        [
            line.run,
            line.fold,
            line.split[:8],
            line.epochs,
            *("" if (value := line.validation.get(name)) is None else f"{value:.3f}" for name in _VALIDATION),
            line.test_text,
            f"{line.minutes:.1f}",
            line.ended,
        ]
        for line in lines
    ]
    show_table(title, columns, rows)
