"""`residerm runs`: list and compare runs."""

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
    """List the runs in a folder, with the task, split, outcome and scores of each.

    Example: residerm runs --sort test

    Parameters
    ----------
    folder
        Folder of runs, as in `residerm train --runs`.
    sort
        By time, or by balanced accuracy on the test or validation part, highest first. Runs of different tasks are
        listed separately, because their scores are not comparable.
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
        out.print(f"no runs in {folder}: residerm train PATH creates one")
    for task in dict.fromkeys(line.task for line in lines):
        _show(f"{folder}: {task}", [line for line in lines if line.task == task])
    for line in lines:
        for name, sentences in _exports(folder / line.run).items():
            out.print(f"{line.run}/exports/{name}: {sentences}")


def _exports(run: Path) -> dict[str, str]:
    """The exports in the folder of a run, each with a sentence about its parity."""
    from residerm.inference.exported import exports_of
    from residerm.inference.parity import PARITY, ParityRecord

    sentences = {}
    for folder in exports_of(run):
        try:
            sentences[folder.name] = ParityRecord.read(folder / PARITY).explained
        except ResidermError as error:
            sentences[folder.name] = str(error)
    return sentences


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
