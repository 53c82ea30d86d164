"""Train and resume runs: data → model → loop → bundle.

run = train(Experiment(path=Path("HAM10000")))
run = resume(Path("runs/20260101-120000-resnet50-ham10000-64px-s0"))
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
from lightning_fabric import Fabric

from residerm.config import Experiment, TrainOptions
from residerm.data.dataset import Dataset
from residerm.data.loading.contents import contents_of
from residerm.data.split import TEST, table
from residerm.errors import UsageError
from residerm.models.start import InitialModel
from residerm.progress import SILENT, Progress
from residerm.runs import (
    CONTENTS,
    DataDescription,
    Environment,
    MappingDescription,
    Run,
    RunError,
    config_bytes,
    contents_bytes,
    create_run,
    open_run,
)
from residerm.training.assembly import assemble, initial_model_of, prepare
from residerm.training.checkpoint import Checkpoints, load_state
from residerm.training.curves import drawing_curves, require_tensorboard
from residerm.training.hardware import launch
from residerm.training.memory import explained_memory
from residerm.training.result import write_result
from residerm.training.signals import interruptible


def train(experiment: Experiment, runs: Path = Path("runs"), progress: Progress = SILENT) -> Run:
    """Train from the beginning, in a new run folder."""
    if experiment.training.tensorboard:
        require_tensorboard()
    fabric = launch(experiment.training)
    dataset = prepare(experiment.in_effect(), progress)
    start = initial_model_of(dataset)
    begun = {"network": start.options, "resnet": start.resnet}  # the effective options
    dataset = replace(dataset, experiment=dataset.experiment.model_copy(update=begun))
    folder = Path()
    if fabric.is_global_zero:
        folder = create_run(runs, _name(dataset), _first_files(dataset)).folder
    return _train(dataset, start, Run(fabric.broadcast(folder)), fabric, progress)


def resume(
    folder: Path, *, epochs: int | None = None, max_minutes: float | None = None, progress: Progress = SILENT
) -> Run:
    """Resume a run from its last checkpoint, or from the beginning if there is none yet.

    With new `epochs` or `max_minutes`, a finished run is continued. All other options are those of the run.
    """
    run = open_run(folder)
    before = run.experiment
    experiment = _with_limits(before, epochs, max_minutes)
    if run.summary is not None and run.bundle.is_dir() and experiment.flat() == before.flat():
        raise UsageError(
            f"{folder} is finished ({run.summary.stopped}): to continue it, give more `epochs` or `max_minutes`"
        )
    fabric = launch(experiment.training)
    dataset = prepare(experiment, progress)
    split = dataset.split
    if table(dataset.records, split.parts, split.folds) != (run.folder / "splits.csv").read_bytes():
        raise RunError(f"{experiment.path} has changed since {folder} was started: its split differs")
    if experiment.flat() != before.flat() and fabric.is_global_zero:
        _extend(run, before, experiment, progress)
    return _train(dataset, initial_model_of(dataset), run, fabric, progress)


def _with_limits(experiment: Experiment, epochs: int | None, max_minutes: float | None) -> Experiment:
    limits = {name: value for name, value in (("epochs", epochs), ("max_minutes", max_minutes)) if value is not None}
    training = TrainOptions.model_validate(experiment.training.model_dump() | limits)
    return experiment.model_copy(update={"training": training})


def _extend(run: Run, before: Experiment, experiment: Experiment, progress: Progress) -> None:
    """Write the new limits to the run, and mark it as unfinished."""
    old, new = before.training, experiment.training
    finished = len(run.epochs)
    if new.epochs < finished:
        raise UsageError(f"`epochs={new.epochs}`: {run.folder} has already been trained for {finished} epochs")
    with run.in_use():
        run.write_config(experiment)
        (run.folder / "summary.json").unlink(missing_ok=True)
    if new.epochs != old.epochs and new.schedule != "constant":
        progress.remark(
            f"from here on the learning rate follows the {new.schedule} schedule of {new.epochs} epochs, "
            f"after {finished} epochs of that of {old.epochs}"
        )


def _train(dataset: Dataset, start: InitialModel, run: Run, fabric: Fabric, progress: Progress) -> Run:
    options = dataset.experiment.training
    if fabric.is_global_zero:
        for remark in (*dataset.remarks, *dataset.experiment.cautions, *start.remarks):
            progress.remark(remark)
    with run.in_use() if fabric.is_global_zero else nullcontext():
        trainer = assemble(dataset, start, fabric, Checkpoints(run), progress)
        if run.last.exists():
            load_state(trainer.state, run.last, fabric.device)
        run.sweep()
        with interruptible() as stopping, drawing_curves(trainer, run.folder, options.tensorboard):
            trainer.stopping = stopping
            with explained_memory(options):
                stop = trainer.fit()
        if fabric.is_global_zero and not stop.interrupted:
            write_result(run, dataset, trainer, stop.why)
        fabric.barrier()
    return run


def _name(dataset: Dataset) -> str:
    experiment, layout = dataset.experiment, dataset.records.layout
    return f"{experiment.network.model}-{layout.name}-{experiment.pixels.size}px-s{experiment.training.seed}"


def _first_files(dataset: Dataset) -> dict[str, bytes]:
    """The first files of a run folder."""
    experiment, records, split = dataset.experiment, dataset.records, dataset.split
    rows = np.arange(len(records))
    data = DataDescription(
        archive=records.layout.title,
        synthetic=records.layout.synthetic,
        licence=records.layout.licence,
        citation=records.layout.citation,
        flow=list(records.flow),
        split=split.proof,
        mapping=MappingDescription.model_validate(records.mapping, from_attributes=True) if records.mapping else None,
        left_out={records.image_id(row): reason for row, reason in dataset.cache.unreadable.items()},
        test_images=int((split.parts == TEST).sum()),
        notes=records.notes,
        merged=records.merged,
    )
    return {
        "config.yaml": config_bytes(experiment),
        "environment.json": Environment.here().to_json().encode(),
        "data.json": data.to_json().encode(),
        "splits.csv": table(records, split.parts, split.folds),
        CONTENTS: contents_bytes(map(records.image_id, range(len(records))), contents_of(records, rows)),
    }
