"""The commands that train, and those that list networks and runs, as functions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from residerm.commands.arguments import folder_of
from residerm.config import PRESETS, Experiment, FlatOptions, MemberOptions
from residerm.config.given import Given
from residerm.errors import UsageError, nearest
from residerm.progress import SILENT, Progress

if TYPE_CHECKING:
    from residerm.demonstration import DemoResult
    from residerm.models.zoo import ListedModel
    from residerm.report.overview import RunLine, Sort
    from residerm.runs import Run
    from residerm.study import CrossValidation
    from residerm.training.members import Joined


def demo(out: str | Path = "demo", *, progress: Progress = SILENT) -> DemoResult:
    """Run the whole pipeline on the synthetic archive, in a new folder. Takes a minute or two.

    Example:
        findings = residerm.demo("demo")
        print(findings.scores.headline["balanced_accuracy"])

    """
    from residerm.demonstration import demonstrate

    return demonstrate(Path(out), progress)


def list_models(
    pattern: str | None = None, *, size: int = 64, classes: int = 7, progress: Progress = SILENT
) -> list[ListedModel]:
    """List residerm's own networks, or search these and timm's by `pattern`, with their parameters and multiply-adds.

    Example:
        for network in residerm.list_models("resnet20", size=64):
            print(network.name, network.parameters, network.multiply_adds)

    """
    from residerm.models.zoo import list_models

    return list_models(pattern, size=size, classes=classes, progress=progress)


def train(
    data: str | Path | Experiment | None = None,
    *,
    preset: str | None = None,
    config: str | Path | None = None,
    runs: str | Path = "runs",
    progress: Progress = SILENT,
    **options: object,
) -> Run:
    """Train a model on an archive, in a new run folder.

    `options` override those in the file `config`, which override those of `preset`.

    Example:
        run = residerm.train(archive, model="resnet20", size=32, epochs=1, batch_size=32)
        print(run.folder, run.epochs[-1].scores)

    """
    from residerm.training import session

    if isinstance(data, Experiment):
        if options or preset or config:
            raise UsageError("train: an Experiment holds all options already; give no others with it")
        return session.train(data, Path(runs), progress)
    return session.train(make_experiment(data, options, preset=preset, config=config), Path(runs), progress)


def make_experiment(
    data: str | Path | None,
    options: Mapping[str, object],
    *,
    preset: str | None = None,
    config: str | Path | None = None,
) -> Experiment:
    """The experiment that results from options, a file and a preset."""
    known = _preset(preset, options) if preset else {}
    if config:
        from residerm.runs import read_options

        known |= read_options(Path(config), f"`config={config}`")
    known |= options
    if data is not None:
        known["path"] = data
    if known.get("path") is None:
        raise UsageError("PATH is missing: give the archive to train on")
    return Experiment.from_flat(known, f"`config={config}`" if config else "train")


def _preset(name: str, options: Mapping[str, object]) -> FlatOptions:
    """The options of a preset, without `pretrained` if `weights` is given."""
    if name not in PRESETS:
        raise UsageError(f"`preset={name}` does not exist; known: {', '.join(PRESETS)}.{nearest(name, PRESETS)}")
    replaced = {"pretrained"} if options.get("weights") else set()
    return {option: value for option, value in PRESETS[name].items() if option not in replaced}


def resume(
    run: str | Path | Run,
    *,
    epochs: int | None = None,
    max_minutes: float | None = None,
    progress: Progress = SILENT,
) -> Run:
    """Resume a run from its last checkpoint; with a new limit, continue a finished one.

    Example:
        run = residerm.resume(run, epochs=2)

    """
    from residerm.training import session

    return session.resume(folder_of(run), epochs=epochs, max_minutes=max_minutes, progress=progress)


def train_folds(
    data: str | Path | None = None,
    *,
    folds: int | None = None,
    preset: str | None = None,
    config: str | Path | None = None,
    runs: str | Path = "runs",
    progress: Progress = SILENT,
    **options: object,
) -> CrossValidation:
    """Train on every fold, score each test part, and pool the out-of-fold predictions: `train --fold all`.

    A call with the same options keeps the finished runs and resumes the others.

    Example:
        study = residerm.train_folds(archive, folds=2, model="resnet20", size=32, epochs=1, batch_size=32)
        print(study.scores.over_folds["macro_auc"].mean, study.scores.pooled.headline["macro_auc"].interval)

    """
    from residerm import study

    given = options | ({"folds": folds} if folds is not None else {})
    return study.train_folds(make_experiment(data, given, preset=preset, config=config), Path(runs), progress)


def train_members(
    data: str | Path | None = None,
    *,
    preset: str | None = None,
    config: str | Path | None = None,
    runs: str | Path = "runs",
    progress: Progress = SILENT,
    **options: object,
) -> Joined:
    """Train several networks that differ only in their seed, and join them into one model: `train --members`.

    Example:
        joined = residerm.train_members(archive, members=2, model="resnet20", size=32, epochs=1, batch_size=32)
        print(joined.bundle)

    """
    from residerm.training import members

    given = Given(options, "train_members")
    asked = given.take(MemberOptions)
    return members.train_members(
        make_experiment(data, given.rest(), preset=preset, config=config), asked, Path(runs), progress
    )


def list_runs(folder: str | Path = "runs", *, sort: Sort = "started") -> list[RunLine]:
    """List the runs in a folder, with the task, split, outcome and scores of each.

    Example:
        for line in residerm.list_runs(sort="test"):
            print(line.run, line.test_text)

    """
    from residerm.report.overview import overview

    return overview(Path(folder), sort)
