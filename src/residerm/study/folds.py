"""Cross-validation: train once for each fold, and score each model on the held-out fold.

    validation = train_folds(experiment, Path("runs"))        experiment.split: folds=5
    validation.scores.over_folds["macro_auc"].mean
    validation.scores.pooled.headline["macro_auc"].interval

Each fold is an ordinary run, in the same folder. When called again with the same options, finished runs are reused and
unfinished ones resumed; runs are identified by their options. The results are in `<first run>-all-5-folds/`:
`predictions.csv`, with every image once, and `folds.json`, which is written last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from residerm.config import Experiment, FlatOptions
from residerm.errors import ResidermError, UsageError
from residerm.evaluation.evaluate import evaluate
from residerm.files import new_folder
from residerm.progress import SILENT, Progress
from residerm.runs import Evaluation, Run, RunError, find_runs
from residerm.study.results import FoldScores, pool, summarised
from residerm.training import session

FOLDS, PREDICTIONS = "folds.json", "predictions.csv"
_FILLED_IN = ("revision", "zero_init")  # options that a training sets if they are None


@dataclass(frozen=True)
class CrossValidation:
    """The runs of the folds, with the folder of the results unless a run was interrupted."""

    runs: tuple[Run, ...]
    folder: Path | None = None

    @property
    def scores(self) -> FoldScores:
        """The results, read from their file."""
        if self.folder is None:
            raise RunError(f"{self.runs[-1].folder} was interrupted: train the folds again to resume it")
        return FoldScores.read(self.folder / FOLDS)


def train_folds(experiment: Experiment, runs: Path = Path("runs"), progress: Progress = SILENT) -> CrossValidation:
    """Train and score all unfinished folds, and pool the out-of-fold predictions."""
    folds = _number_of_folds(experiment)
    trained: list[Run] = []
    evaluations: list[Evaluation] = []
    for fold in range(folds):
        progress.remark(f"fold {fold} of {folds}, counted from 0")
        run = _trained(_with_fold(experiment, fold), runs, progress)
        trained.append(run)
        if run.summary is None:
            return CrossValidation(tuple(trained))
        evaluations.append(evaluate(run.folder, progress=progress))
    _require_each_image_once(trained)
    return CrossValidation(tuple(trained), _write(trained, evaluations))


def _number_of_folds(experiment: Experiment) -> int:
    """The number of folds, if all of them can be trained."""
    split, devices = experiment.split, experiment.training.devices
    if split.folds is None:
        raise UsageError("`fold=all` needs the number of folds: give `folds` too, such as `folds=5`")
    if split.split not in ("lesion", "random"):
        raise UsageError(
            f"`fold=all` makes its own split, but `split={split.split}` has fixed parts: "
            "use `split=lesion`, or omit `fold`"
        )
    if devices > 1:
        raise UsageError(f"`fold=all` trains in one process: omit `devices={devices}`, or train one fold at a time")
    return split.folds


def _with_fold(experiment: Experiment, fold: int) -> Experiment:
    return experiment.model_copy(update={"split": experiment.split.model_copy(update={"fold": fold})})


def _trained(experiment: Experiment, runs: Path, progress: Progress) -> Run:
    """The finished run with these options; otherwise the last unfinished one, resumed; otherwise a new one."""
    same = [run for run in find_runs(runs) if _is_of(run, experiment)] if runs.is_dir() else []
    finished = [run for run in same if run.summary is not None and run.bundle.is_dir()]
    if finished:
        progress.remark(f"{finished[-1].folder.name} is already finished")
        return finished[-1]
    if same:
        progress.remark(f"{same[-1].folder.name} is resumed")
        return session.resume(same[-1].folder, progress=progress)
    return session.train(experiment, runs, progress)


def _is_of(run: Run, experiment: Experiment) -> bool:
    """Whether a run was started with these options; False for a damaged one."""
    try:
        found = run.experiment.flat()
    except ResidermError:
        return False
    asked = _in_effect(experiment)
    return all(found[name] == value or (value is None and name in _FILLED_IN) for name, value in asked.items())


def _in_effect(experiment: Experiment) -> FlatOptions:
    """The options as stored in the file of a run."""
    absolute = experiment.model_copy(update={"path": experiment.path.absolute()})
    return absolute.in_effect().flat()


def _require_each_image_once(runs: Sequence[Run]) -> None:
    """Refuse folds if the archive has changed between them, because images would count twice or never."""
    images = {row.image_id for row in runs[0].splits}
    tested: set[str] = set()
    for run in runs:
        rows = run.splits
        test = {row.image_id for row in rows if row.part == "test"}
        if {row.image_id for row in rows} != images or test & tested:
            raise RunError(
                f"{run.folder} and {runs[0].folder} were trained on different states of one archive: "
                "move these runs elsewhere, and train the folds again"
            )
        tested |= test


def _write(runs: Sequence[Run], evaluations: Sequence[Evaluation]) -> Path:
    """Write the pooled predictions and the scores next to the runs, replacing those of earlier calls."""
    pooled = pool([one.predictions for one in evaluations])
    scores = summarised([run.folder.name for run in runs], evaluations, pooled)
    first = runs[0].folder
    folder = first.with_name(f"{first.name}-all-{len(runs)}-folds")
    with new_folder(folder, replace=True) as unfinished:
        pooled.write(unfinished / PREDICTIONS)
        scores.write(unfinished / FOLDS)
    return folder
