"""The files of a finished run and of its evaluations, read and validated once, from which a report is written.

    material = read_material(run)      material.main is the evaluation of the run's own test part

An unfinished run or a damaged file is one clear error. An evaluation without scores.json was interrupted: it is left
out, and listed in `left_out`.
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
    """The contents of a report or a card."""

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
        """Whether the training or test images are synthetic."""
        return bool(self.model.synthetic or (self.main and self.main.scores.synthetic))


def read_material(run: Run) -> Material:
    """Read a finished run and its evaluations."""
    summary = run.summary
    if summary is None:
        raise RunError(
            f"{run.folder} has not finished training, so there is nothing to report; "
            f"resume it with residerm train --resume {run.folder}"
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
    """The evaluation of a run's own test part, if there is one."""
    return _main(_evaluations(run.evaluations)[0], run.model.archive)


def size_of(evaluation: Evaluation) -> str:
    """The number of images and lesions of an evaluation, as text."""
    images, groups = evaluation.scores.images, evaluation.scores.groups
    of = "" if evaluation.group_name == "image" else f" of {counted(groups, evaluation.group_name)}"
    return counted(images, "image") + of


def _evaluations(parent: Path) -> tuple[list[Evaluation], list[str]]:
    """The complete evaluations, sorted by name, and the names of the incomplete ones."""
    folders = sorted(path for path in parent.glob("*") if path.is_dir() and not path.name.startswith("."))
    whole = [folder for folder in folders if (folder / SCORES).exists()]
    return [Evaluation.read(folder) for folder in whole], [folder.name for folder in folders if folder not in whole]


def _main(evaluations: Sequence[Evaluation], archive: str) -> Evaluation | None:
    """The evaluation of the own test part: preferably with default options, without comparison, and the newest."""
    own = [one for one in evaluations if one.scores.part == "test" and one.scores.archive == archive]

    def rank(one: Evaluation) -> tuple[bool, bool, float]:
        return one.plain, one.comparison is None, (one.folder / SCORES).stat().st_mtime

    return max(own, key=rank, default=None)
