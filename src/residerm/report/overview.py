"""The table of runs: the task, split, outcome and scores of each.

overview(Path("runs"), sort="test")
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field

from residerm.documents import Section
from residerm.errors import ResidermError, UsageError
from residerm.report.material import main_evaluation
from residerm.runs import Run, find_runs, is_run
from residerm.scores import Estimate

Sort = Literal["started", "test", "validation"]
SELECTED = "balanced_accuracy"


class RunLine(Section):
    """One run; `test` is the balanced accuracy on its own test part, if it was evaluated."""

    run: str
    task: str = "not readable"
    fold: str = ""
    split: str = ""  # SHA-256 of splits.csv
    epochs: int = 0
    validation: dict[str, float] = Field(default_factory=dict)
    test: Estimate | None = None
    minutes: float = 0.0
    ended: str

    @property
    def test_text(self) -> str:
        """The test score with its interval."""
        if self.test is None or self.test.value is None:
            return ""
        bounds = " ({:.3f} to {:.3f})".format(*self.test.interval) if self.test.interval else ""
        return f"{self.test.value:.3f}{bounds}"


def overview(folder: Path, sort: Sort = "started") -> list[RunLine]:
    """The runs in a folder, grouped by task."""
    if is_run(folder):
        raise UsageError(f"{folder} is a run: give the folder that contains it, {folder.absolute().parent}")
    lines = [_line(run) for run in find_runs(folder)]
    by_score: dict[Sort, Callable[[RunLine], float]] = {
        "started": lambda _: 0.0,
        "validation": lambda line: -line.validation.get(SELECTED, -1.0),
        "test": lambda line: 1.0 if line.test is None or line.test.value is None else -line.test.value,
    }
    first = {task: place for place, task in enumerate(dict.fromkeys(line.task for line in lines))}
    return sorted(lines, key=lambda line: (first[line.task], by_score[sort](line)))


def _line(run: Run) -> RunLine:
    """The line of a run; if it cannot be read, with the reason, so that the others are still listed."""
    try:
        return _read(run)
    except ResidermError as error:
        return RunLine(run=run.folder.name, ended=str(error))


def _read(run: Run) -> RunLine:
    epochs, summary, split = run.epochs, run.summary, run.experiment.split
    evaluation = main_evaluation(run) if summary else None
    return RunLine(
        run=run.folder.name,
        task=run.model.task if summary else run.experiment.archive.task or "not finished",
        fold=f"{split.fold} of {split.folds}" if split.folds else "",
        split=run.data.split.sha256,
        epochs=len(epochs),
        validation=dict(epochs[epochs[-1].kept_epoch - 1].scores) if epochs else {},
        test=evaluation.scores.headline.get(SELECTED) if evaluation else None,
        minutes=round(epochs[-1].seconds / 60, 1) if epochs else 0.0,
        ended=summary.stopped if summary else "not finished",
    )
