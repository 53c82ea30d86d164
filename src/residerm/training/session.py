"""From options to a finished run: data → model → loop → bundle.

run = train(Experiment(path=Path("HAM10000")))
run = resume(Path("runs/20260101-120000-resnet50-ham10000-64px-s0"))
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import yaml
from lightning_fabric import Fabric

from residerm.config import Experiment
from residerm.data.dataset import Dataset
from residerm.data.split import TEST, table
from residerm.errors import UsageError
from residerm.models.start import Start
from residerm.progress import SILENT, Progress
from residerm.runs import (
    DataDescription,
    Environment,
    MappingDescription,
    Run,
    RunError,
    create_run,
    open_run,
    read_experiment,
)
from residerm.training.assembly import assemble, begin_with, prepare
from residerm.training.checkpoint import Checkpoints, load_state
from residerm.training.curves import drawing_curves, require_tensorboard
from residerm.training.hardware import launch
from residerm.training.result import write_result
from residerm.training.signals import interruptible


def train(experiment: Experiment, runs: Path = Path("runs"), progress: Progress = SILENT) -> Run:
    """Train from the beginning, in a new run folder."""
    if experiment.training.tensorboard:
        require_tensorboard()
    fabric = launch(experiment.training)
    dataset = prepare(experiment.in_effect(), progress)
    start = begin_with(dataset)
    begun = {"network": start.options, "resnet": start.resnet}  # what was in effect
    dataset = replace(dataset, experiment=dataset.experiment.model_copy(update=begun))
    folder = Path()
    if fabric.is_global_zero:
        folder = create_run(runs, _name(dataset), _first_files(dataset)).folder
    return _train(dataset, start, Run(fabric.broadcast(folder)), fabric, progress)


def resume(folder: Path, progress: Progress = SILENT) -> Run:
    """Go on with a run from its last checkpoint, or from the beginning where there is none yet."""
    run = open_run(folder)
    if run.summary is not None and run.bundle.is_dir():
        raise UsageError(f"{folder} is finished ({run.summary.stopped}): there is nothing to resume")
    experiment = read_experiment(run.folder / "config.yaml")
    fabric = launch(experiment.training)
    dataset = prepare(experiment, progress)
    split = dataset.split
    if table(dataset.records, split.parts, split.folds) != (run.folder / "splits.csv").read_bytes():
        raise RunError(f"{experiment.path} is no longer the archive that {folder} was started with: its split differs")
    return _train(dataset, begin_with(dataset), run, fabric, progress)


def _train(dataset: Dataset, start: Start, run: Run, fabric: Fabric, progress: Progress) -> Run:
    options = dataset.experiment.training
    if fabric.is_global_zero:
        for remark in (*dataset.remarks, *dataset.experiment.cautions, *start.remarks):
            progress.remark(remark)
    with run.in_use() if fabric.is_global_zero else nullcontext():
        trainer = assemble(dataset, start, fabric, Checkpoints(run), progress)
        if run.last.exists():
            load_state(trainer.state, run.last, fabric.device)
        with interruptible() as stopping, drawing_curves(trainer, run.folder, options.tensorboard):
            trainer.stopping = stopping
            stopped = trainer.fit()
        if fabric.is_global_zero and trainer.state.rows and not stopping():
            write_result(run, dataset, trainer, stopped)
        fabric.barrier()
    return run


def _name(dataset: Dataset) -> str:
    experiment, layout = dataset.experiment, dataset.records.layout
    return f"{experiment.network.model}-{layout.name}-{experiment.pixels.size}px-s{experiment.training.seed}"


def _first_files(dataset: Dataset) -> dict[str, bytes]:
    """The files that a run folder appears with."""
    experiment, records, split = dataset.experiment, dataset.records, dataset.split
    absolute = experiment.model_copy(update={"path": experiment.path.absolute()})
    data = DataDescription(
        archive=records.layout.title,
        synthetic=records.layout.synthetic,
        licence=records.layout.licence,
        citation=records.layout.citation,
        flow=list(records.flow),
        split=split.proof,
        mapping=MappingDescription.model_validate(records.mapping.to_dict()) if records.mapping else None,
        left_out={records.image_id(row): reason for row, reason in dataset.cache.unreadable.items()},
        test_images=int((split.parts == TEST).sum()),
    )
    return {
        "config.yaml": yaml.safe_dump(absolute.flat(), sort_keys=False).encode(),
        "environment.json": Environment.here().to_json().encode(),
        "data.json": data.to_json().encode(),
        "splits.csv": table(records, split.parts, split.folds),
    }
