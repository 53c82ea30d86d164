"""From options to a finished run: archive → split → cache → batches → model → loop → bundle.

run = train(Experiment(path=Path("HAM10000")))
run = resume(Path("runs/20260101-120000-resnet50-ham10000-64px-s0"))
"""

from __future__ import annotations

import copy
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
import yaml
from lightning_fabric import Fabric
from torch import nn

import residerm
from residerm.config import Experiment, TrainOptions
from residerm.data.archives import open_for
from residerm.data.archives.records import Records
from residerm.data.loading.batches import Batches
from residerm.data.loading.cache import Cache, open_cache
from residerm.data.sampling import draw
from residerm.data.split import TEST, TRAIN, VALIDATION, Split, divide, table
from residerm.errors import UsageError
from residerm.inference import ModelDescription, Predictor, write_bundle
from residerm.inference.runtimes.torch import TorchRuntime
from residerm.models.complexity import measure
from residerm.models.model import Model
from residerm.models.start import Start
from residerm.progress import SILENT, Progress
from residerm.runs import Run, RunError, create_run, environment, open_run, read_experiment
from residerm.training.checkpoint import State, load_state, load_weights
from residerm.training.curves import drawing_curves, require_tensorboard
from residerm.training.hardware import launch, synchronised
from residerm.training.loop import Trainer
from residerm.training.recipe import Loss, MovingAverage, loss_for, optimizer_for, warnings_for
from residerm.training.start import begin
from residerm.training.trust import fit_trust


@dataclass(frozen=True)
class Material:
    """What an experiment trains on."""

    records: Records
    split: Split
    cache: Cache
    training_rows: np.ndarray
    validation_rows: np.ndarray
    remarks: tuple[str, ...]

    def drawn(self, experiment: Experiment, epoch: int = 0) -> np.ndarray:
        """The training rows of an epoch, resampled."""
        return draw(
            self.training_rows, self.records.labels, experiment.sample, seed=experiment.training.seed, epoch=epoch
        )

    def counts(self, experiment: Experiment) -> np.ndarray:
        """Images of each class in an epoch."""
        return np.bincount(self.records.labels[self.drawn(experiment)], minlength=len(self.records.classes))


def train(experiment: Experiment, runs: Path = Path("runs"), progress: Progress = SILENT) -> Run:
    """Train from the beginning, in a new run folder."""
    if experiment.training.tensorboard:
        require_tensorboard()
    fabric = launch(experiment.training)
    experiment = experiment.in_effect()
    material = prepare(experiment, progress)
    start = begin_with(experiment, material)
    experiment = experiment.model_copy(update={"network": start.options, "resnet": start.resnet})  # as they began
    folder = Path()
    if fabric.is_global_zero:
        folder = create_run(runs, _name(experiment, material.records), _first_files(experiment, material)).folder
    return _train(experiment, material, start, Run(fabric.broadcast(folder)), fabric, progress)


def resume(folder: Path, progress: Progress = SILENT) -> Run:
    """Go on with a run from its last checkpoint, or from the beginning where there is none yet."""
    run = open_run(folder)
    if run.summary is not None and run.bundle.is_dir():
        raise UsageError(f"{folder} is finished ({run.summary['stopped']}): there is nothing to resume")
    experiment = read_experiment(run.folder / "config.yaml")
    fabric = launch(experiment.training)
    material = prepare(experiment, progress)
    if table(material.records, material.split.parts, material.split.folds) != (run.folder / "splits.csv").read_bytes():
        raise RunError(f"{experiment.path} is no longer the archive that {folder} was started with: its split differs")
    return _train(experiment, material, begin_with(experiment, material), run, fabric, progress)


def prepare(experiment: Experiment, progress: Progress = SILENT) -> Material:
    """Open the archive, divide it, decode it, and refuse what cannot be trained on."""
    records = open_for(experiment.path, experiment.archive)
    split = divide(records, experiment.split)
    cache = open_cache(records, experiment.pixels, on_bad_image=experiment.archive.on_bad_image, progress=progress)
    readable = np.ones(len(records), dtype=bool)
    readable[list(cache.unreadable)] = False
    training, validation = (np.flatnonzero((split.parts == part) & readable) for part in (TRAIN, VALIDATION))
    remarks = [*records.layout.notes, *split.remarks, *warnings_for(experiment.training, experiment.sample)]
    if cache.unreadable:
        names = ", ".join(records.image_id(row) for row in list(cache.unreadable)[:5])
        remarks.append(f"{len(cache.unreadable)} unreadable images are left out: {names} …")
    material = Material(records, split, cache, training, validation, tuple(remarks))
    _refuse_too_few(material, experiment)
    return material


def begin_with(experiment: Experiment, material: Material) -> Start:
    """The model with its first weights."""
    torch.manual_seed(experiment.training.seed)
    start = begin(experiment.network, material.records.classes, experiment.pixels.size, experiment.resnet)
    _refuse_single_images(start.model, experiment.training)
    return start


def _train(
    experiment: Experiment, material: Material, start: Start, run: Run, fabric: Fabric, progress: Progress
) -> Run:
    if fabric.is_global_zero:
        for remark in (*material.remarks, *start.remarks):
            progress.remark(remark)
    with run.in_use() if fabric.is_global_zero else nullcontext():
        trainer = assemble(experiment, material, start, run, fabric, progress)
        if run.last.exists():
            load_state(trainer.state, run.last, fabric.device)
        with _interruptible() as stopping, drawing_curves(trainer, experiment.training.tensorboard):
            trainer.stopping = stopping
            stopped = trainer.fit()
        if fabric.is_global_zero:
            _finish(experiment, material, trainer, start, stopped, interrupted=bool(stopping()))
        fabric.barrier()
    return run


def assemble(
    experiment: Experiment, material: Material, start: Start, run: Run, fabric: Fabric, progress: Progress = SILENT
) -> Trainer:
    """Put the parts of a training together."""
    options, labels = experiment.training, material.records.labels
    model = synchronised(start.model.to(fabric.device).to(memory_format=torch.channels_last), fabric)
    average = MovingAverage(model, copy.deepcopy(model), options.ema)
    optimizer = optimizer_for(model.parameter_groups(start.options.backbone_rate), options)
    network, wrapped = fabric.setup(model, optimizer)
    shared = partial(
        Batches,
        material.cache,
        labels,
        batch_size=options.batch_size // fabric.world_size,
        rank=fabric.global_rank,
        world=fabric.world_size,
    )
    return Trainer(
        fabric=fabric,
        network=network,
        state=State(model, average, wrapped),
        loss=loss_for(material.counts(experiment), options, fabric.device),
        training=shared(draw=lambda epoch: material.drawn(experiment, epoch), seed=options.seed, drop_last=True),
        validation=shared(draw=lambda _: material.validation_rows),
        groups=material.records.groups,
        options=options,
        augmentation=experiment.augmentation,
        run=run,
        progress=progress if fabric.is_global_zero else SILENT,
    )


def _finish(
    experiment: Experiment, material: Material, trainer: Trainer, start: Start, stopped: str, *, interrupted: bool
) -> None:
    """Write the bundle of the chosen weights, and last the summary; an interrupted run gets neither."""
    run, state = trainer.run, trainer.state
    if interrupted or not state.rows:
        return
    load_weights(state.average.module, run.best, trainer.fabric.device)
    chosen = state.rows[state.kept_epoch - 1]
    description = _description(experiment, material, start, trainer.loss, chosen)
    model: Model = state.average.module  # type: ignore[assignment]
    predictor = Predictor(description, TorchRuntime(model))
    trust = fit_trust(predictor, material, experiment.trust, trainer.progress)
    write_bundle(model, description, run.bundle, trust)
    run.write_json(
        "summary.json",
        {
            "stopped": stopped,
            "epochs": state.epoch,
            "chosen_epoch": state.kept_epoch,
            "selected_by": experiment.training.select,
            "validation": description.validation,
            "minutes": round(state.seconds / 60, 2),
        },
    )


def _description(
    experiment: Experiment, material: Material, start: Start, loss: Loss, chosen: dict[str, Any]
) -> ModelDescription:
    layout, model = material.records.layout, start.model
    return ModelDescription(
        model=experiment.network.model,
        resnet=experiment.resnet,
        classes=material.records.classes,
        task=material.records.task,
        pixels=experiment.pixels,
        mean=_colour(model.normalise.mean),
        deviation=_colour(model.normalise.deviation),
        prior=tuple(float(share) for share in loss.prior),
        archive=layout.title,
        synthetic=layout.synthetic,
        data_licence=layout.licence,
        data_citation=layout.citation,
        trained_on=len(material.training_rows),
        selected_by=f"validation {experiment.training.select}, epoch {chosen['epoch']}",
        validation={name: value for name, value in chosen.items() if name in _validation_names(chosen)},
        residerm=residerm.__version__,
    )


def _colour(values: torch.Tensor) -> tuple[float, float, float]:
    """Red, green and blue of 0 to 1, in the digits in which they are published."""
    red, green, blue = (round(value / 255, 6) for value in values.flatten().tolist())
    return red, green, blue


def _validation_names(row: dict[str, Any]) -> set[str]:
    return set(row) - {"epoch", "train_loss", "train_accuracy", "kept_epoch", "seconds"}


def _name(experiment: Experiment, records: Records) -> str:
    return f"{experiment.network.model}-{records.layout.name}-{experiment.pixels.size}px-s{experiment.training.seed}"


def _first_files(experiment: Experiment, material: Material) -> dict[str, bytes]:
    """The files that a run folder appears with."""
    import json

    absolute = experiment.model_copy(update={"path": experiment.path.absolute()})
    data = {
        "archive": material.records.layout.title,
        "synthetic": material.records.layout.synthetic,
        "licence": material.records.layout.licence,
        "citation": material.records.layout.citation,
        "flow": [list(step) for step in material.records.flow],
        "split": dict(material.split.proof),
        "mapping": material.records.mapping.to_dict() if material.records.mapping else None,
        "left_out": {material.records.image_id(row): reason for row, reason in material.cache.unreadable.items()},
        "test_images": int((material.split.parts == TEST).sum()),
    }
    return {
        "config.yaml": yaml.safe_dump(absolute.flat(), sort_keys=False).encode(),
        "environment.json": json.dumps(environment(), indent=2).encode(),
        "data.json": json.dumps(data, indent=2, ensure_ascii=False).encode(),
        "splits.csv": table(material.records, material.split.parts, material.split.folds),
    }


def _refuse_too_few(material: Material, experiment: Experiment) -> None:
    options, images = experiment.training, len(material.drawn(experiment))
    if options.batch_size > images:
        raise UsageError(f"`batch_size={options.batch_size}` is larger than the {images} training images: choose less")
    if options.batch_size % options.devices:
        raise UsageError(f"`batch_size={options.batch_size}` cannot be shared by `devices={options.devices}` evenly")
    if options.accumulate > options.batch_size // options.devices:
        raise UsageError(f"`accumulate={options.accumulate}`: there are not so many images in a process's batch")
    if options.grow_from is not None:
        _refuse_what_cannot_grow(options.grow_from, experiment)


def _refuse_single_images(model: nn.Module, options: TrainOptions) -> None:
    normalised = any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in model.modules())
    if normalised and options.batch_size // options.devices // options.accumulate < 2:
        raise UsageError(
            "`batch_size`: a batch of one image has no statistics for BatchNorm; give each process, and each part of "
            "`accumulate`, two or more"
        )


def _refuse_what_cannot_grow(smallest: int, experiment: Experiment) -> None:
    name, size = experiment.network.model, experiment.pixels.size
    if smallest >= size:
        raise UsageError(f"`grow_from={smallest}`: images of `size={size}` cannot grow from there; give less")
    costs = [measure(name, 2, pixels, experiment.resnet) for pixels in (smallest, size)]
    if costs[0] is None or costs[1] is None or costs[0].parameters != costs[1].parameters:
        raise UsageError(
            f"`grow_from={smallest}`: {name} has weights for one size of image, or cannot see so small ones"
        )


@contextmanager
def _interruptible() -> Iterator[Callable[[], str | None]]:
    """Ctrl-C and SIGTERM stop after the step under way; a second Ctrl-C stops at once."""
    received: list[int] = []

    def remember(number: int, _: FrameType | None) -> None:
        received.append(number)
        signal.signal(signal.SIGINT, before[0])

    before = [signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield lambda: f"stopped by {signal.Signals(received[0]).name}" if received else None
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)
