"""`residerm train`: train a model on an archive."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote
from typing import Annotated

from residerm.cli import options
from residerm.cli.console import out, progress, remarks
from residerm.cli.flags import with_flags
from residerm.cli.options import Archive, flags
from residerm.commands.training import make_experiment
from residerm.config import (
    ArchiveOptions,
    AugmentOptions,
    DistillationOptions,
    Experiment,
    FlatOptions,
    MemberOptions,
    ModelOptions,
    NeighbourOptions,
    Options,
    PixelSpec,
    ResNetOptions,
    SampleOptions,
    SplitOptions,
    TrainOptions,
    TrustOptions,
)
from residerm.errors import UsageError


def train_(
    path: Archive | None = None,
    *,
    archive: Annotated[ArchiveOptions, flags(options.DATA)] = ArchiveOptions(),
    pixels: Annotated[PixelSpec, flags(options.DATA, some_are_on=True)] = PixelSpec(),
    split: Annotated[SplitOptions, flags(options.SPLIT)] = SplitOptions(),
    sample: Annotated[SampleOptions, flags(options.SAMPLING)] = SampleOptions(),
    augmentation: Annotated[AugmentOptions, flags(options.AUGMENTATION, some_are_on=True)] = AugmentOptions(),
    network: Annotated[ModelOptions, flags(options.NETWORK, some_are_on=True)] = ModelOptions(),
    resnet: Annotated[ResNetOptions, flags(options.RESNET, some_are_on=True)] = ResNetOptions(),
    training: Annotated[TrainOptions, flags(options.OPTIMISATION)] = TrainOptions(),
    distillation: Annotated[DistillationOptions, flags(options.DISTILLATION)] = DistillationOptions(),
    trust: Annotated[TrustOptions, flags(options.TRUST)] = TrustOptions(),
    neighbours: Annotated[NeighbourOptions, flags(options.NEIGHBOURS)] = NeighbourOptions(),
    members: Annotated[MemberOptions, flags(options.MEMBERS)] = MemberOptions(),
    config: Path | None = None,
    preset: str | None = None,
    resume: Path | None = None,
    runs: Path = Path("runs"),
    dry_run: bool = False,
) -> int:
    """Train a model on an archive, with all images of a lesion in one part, in a new run folder.

    Example: residerm train HAM10000 --model resnet50 --size 64 --epochs 20

    Parameters
    ----------
    config
        YAML file of options, such as the config.yaml of another run; flags override it.
    preset
        A named set of options: transfer, which fine-tunes ImageNet weights; or paper.
    resume
        Run folder to resume. All options are taken from it, except for new limits: --epochs, --max-minutes.
    runs
        Folder in which the run folder is created.
    dry_run
        Show the data, and estimate the memory and time of the training, without training.
    """
    groups = (archive, pixels, split, sample, augmentation, network, resnet, training, distillation, trust, neighbours)
    if resume:
        given = set[str]().union(*(group.model_fields_set for group in (*groups, members)))
        if path or config or preset or given - {"epochs", "max_minutes"}:
            raise UsageError(
                "`resume` takes all options from the run: only `epochs` and `max_minutes` can be given with it"
            )
        return _resume(resume, training.epochs if "epochs" in given else None, training.max_minutes)
    experiment = gather(path, groups, config, preset)
    if dry_run:
        return _dry_run(experiment)
    if experiment.split.fold == "all":
        return _train_folds(experiment, members, runs)
    return _train_members(experiment, members, runs) if members.members > 1 else _train(experiment, runs)


def gather(path: Path | None, groups: tuple[Options, ...], config: Path | None, preset: str | None) -> Experiment:
    """Combine flags, a file and a preset: flags override the file, which overrides the preset."""
    given: FlatOptions = {}
    for group in groups:
        given |= group.model_dump(exclude_unset=True)
    return make_experiment(path, given, preset=preset, config=config)


def _train(experiment: Experiment, runs: Path) -> int:
    from residerm.training.session import train

    with progress() as shown:
        run = train(experiment, runs, shown)
    return _show_end_and_next(run.folder)


def _train_members(experiment: Experiment, members: MemberOptions, runs: Path) -> int:
    from residerm.training.members import train_members

    with progress() as shown:
        joined = train_members(experiment, members, runs, shown)
    code = max(_show_end(run.folder) for run in joined.runs)
    if joined.bundle:
        out.print(f"{members.join}: {joined.bundle}")
        _show_next(f"evaluate {quote(str(joined.bundle))} --data {quote(str(experiment.path))}")
    return code


def _train_folds(experiment: Experiment, members: MemberOptions, runs: Path) -> int:
    from residerm.cli.folds import show_folds
    from residerm.study import train_folds

    if members.members > 1:
        raise UsageError("`members` and `fold=all` cannot be combined: give one of them")
    with progress() as shown:
        validation = train_folds(experiment, runs, shown)
    if validation.folder is None:
        remarks.print("stopped; the same command resumes it")
        return 130
    show_folds(validation)
    _show_next(f"runs {quote(str(runs))}")
    return 0


def _resume(folder: Path, epochs: int | None, max_minutes: float | None) -> int:
    from residerm.training.session import resume

    with progress() as shown:
        run = resume(folder, epochs=epochs, max_minutes=max_minutes, progress=shown)
    return _show_end_and_next(run.folder)


def _show_end_and_next(folder: Path) -> int:
    code = _show_end(folder)
    if code == 0:
        _show_next(f"evaluate {quote(str(folder))}")
    return code


def _show_next(command: str) -> None:
    if _is_first_process():
        out.print(f"Next: residerm {command}")


def _show_end(folder: Path) -> int:
    """Print why a training ended, and its result; return the exit code, 130 if it was interrupted."""
    from residerm.runs import open_run

    summary = open_run(folder).summary
    if summary is None:
        remarks.print(f"stopped; resume with: residerm train --resume {folder}")
        return 130
    if not _is_first_process():
        return 0
    scores = ", ".join(f"{name} {value:.3f}" for name, value in summary.validation.items())
    out.print(f"ended: {summary.stopped}; {summary.minutes:.1f} minutes")
    out.print(f"kept epoch {summary.chosen_epoch} ({summary.selected_by} on the validation part): {scores}")
    out.print(f"run: {folder}")
    return 0


def _is_first_process() -> bool:
    """Whether this process is the one that writes and prints, if several train together."""
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0) == 0


def _dry_run(experiment: Experiment) -> int:
    from residerm.training.dry_run import dry_run

    with progress() as shown:
        for line in dry_run(experiment, shown):
            out.print(with_flags(line))
    return 0
