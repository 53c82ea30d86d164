"""`residerm runs`: list and compare what was trained."""

from __future__ import annotations

from pathlib import Path

from residerm.cli.console import out, show_json, show_table
from residerm.cli.options import Json

_SCORES = ("macro_auc", "balanced_accuracy", "accuracy")


def runs_(folder: Path = Path("runs"), *, json: Json = False) -> None:
    """List the runs in a folder: what was trained, how it ended, and its validation scores.

    Example: residerm runs

    Parameters
    ----------
    folder
        Where `residerm train` keeps its runs.
    """
    from residerm.runs import Run, list_runs

    def line(run: Run) -> dict[str, object]:
        epochs, summary = run.epochs, run.summary
        found = epochs[epochs[-1].kept_epoch - 1].scores if epochs else {}
        scores = {name: round(found[name], 3) for name in _SCORES if name in found}
        state = summary.stopped if summary else "not finished"
        minutes = round(epochs[-1].seconds / 60, 1) if epochs else 0.0
        return {"run": run.folder.name, "epochs": len(epochs), **scores, "minutes": minutes, "ended": state}

    lines = [line(run) for run in list_runs(folder)]
    if json:
        show_json(lines)
    elif lines:
        columns = ("run", "epochs", *_SCORES, "minutes", "ended")
        show_table(
            f"{folder}: scores on each run's own validation part",
            [name.replace("_", "\n") for name in columns],
            [
                [f"{one[name]:.3f}" if name in _SCORES and name in one else one.get(name, "") for name in columns]
                for one in lines
            ],
        )
    else:
        out.print(f"{folder} holds no runs: residerm train PATH makes one")
