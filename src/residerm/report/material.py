"""What a report is written from: the files of a finished run and of its evaluations, read and checked once.

    material = read_material(run)      material.main is the evaluation of the run's own test part

A run that did not finish, or a file that is damaged, is one clear error. An evaluation without its scores.json was
broken off: it is left out, and named in `left_out`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from residerm.config import Experiment
from residerm.description import ModelDescription
from residerm.report.estimates import counted
from residerm.runs import (
    DataDescription,
    Environment,
    Epoch,
    Evaluation,
    Run,
    RunError,
    Summary,
    groups_by_class,
)
from residerm.runs.evaluations import SCORES


@dataclass(frozen=True)
class Material:
    """Everything that a report or a card says."""

    run: Run
    experiment: Experiment
    environment: Environment
    data: DataDescription
    model: ModelDescription
    summary: Summary
    epochs: Sequence[Epoch]
    split_counts: Mapping[str, Mapping[str, int]]
    main: Evaluation | None
    others: Sequence[Evaluation]
    left_out: Sequence[str]

    @property
    def synthetic(self) -> bool:
        """Whether any image was drawn, in training or in the test."""
        return bool(self.model.synthetic or (self.main and self.main.scores.synthetic))


def read_material(run: Run) -> Material:
    """Read a finished run and its evaluations."""
    summary = run.summary
    if summary is None:
        raise RunError(
            f"{run.folder} has not finished training, so that there is nothing to report: "
            f"residerm train --resume {run.folder} resumes it"
        )
    model = run.model
    evaluations, left_out = _evaluations(run.evaluations)
    main = _main(evaluations, model.archive)
    return Material(
        run=run,
        experiment=run.experiment,
        environment=run.environment,
        data=run.data,
        model=model,
        summary=summary,
        epochs=run.epochs,
        split_counts=groups_by_class(run.splits),
        main=main,
        others=[one for one in evaluations if one is not main],
        left_out=left_out,
    )


def main_evaluation(run: Run) -> Evaluation | None:
    """The evaluation of a run's own test part, where there is one."""
    return _main(_evaluations(run.evaluations)[0], run.model.archive)


def size_of(evaluation: Evaluation) -> str:
    """How many images of how many lesions an evaluation rests on."""
    images, groups = evaluation.scores.images, evaluation.scores.groups
    of = "" if evaluation.group_name == "image" else f" of {counted(groups, evaluation.group_name)}"
    return counted(images, "image") + of


def _evaluations(parent: Path) -> tuple[list[Evaluation], list[str]]:
    """The evaluations by name, and the names of those that were broken off."""
    folders = sorted(path for path in parent.glob("*") if path.is_dir() and not path.name.startswith("."))
    whole = [folder for folder in folders if (folder / SCORES).exists()]
    return [Evaluation.read(folder) for folder in whole], [folder.name for folder in folders if folder not in whole]


def _main(evaluations: Sequence[Evaluation], archive: str) -> Evaluation | None:
    """The run's own test part: as the model answers by itself, and whole, where that was scored; then the newest."""
    own = [one for one in evaluations if one.scores.part == "test" and one.scores.archive == archive]

    def rank(one: Evaluation) -> tuple[bool, bool, float]:
        return one.plain, one.comparison is None, (one.folder / SCORES).stat().st_mtime

    return max(own, key=rank, default=None)
