"""What a training would be: data flow, parameters, memory and time, from a few steps that are thrown away.

    for line in dry_run(Experiment(path=Path("HAM10000"))):
        print(line)

The first steps of a process are slower than all that follow and are not counted.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from dataclasses import replace

import torch

from residerm.config import Experiment
from residerm.data.dataset import Dataset
from residerm.models.complexity import measure
from residerm.progress import SILENT, Progress
from residerm.training.assembly import assemble, initial_model_of, prepare
from residerm.training.hardware import launch
from residerm.training.loop import Trainer
from residerm.training.neighbours import evenly
from residerm.training.recipe import GROWING
from residerm.training.stretch import stretch_of

_WARM_UP, _SECONDS = 5, 4.0  # steps that are not counted; seconds that are measured


def dry_run(experiment: Experiment, progress: Progress = SILENT) -> Iterator[str]:
    """A line for each thing that is known before training begins."""
    experiment = experiment.in_effect()
    dataset = prepare(experiment, progress)
    yield from _data_flow(dataset)
    yield from (*dataset.remarks, *experiment.cautions)
    options, size = experiment.training, experiment.pixels.size
    cost = measure(experiment.network.model, len(dataset.records.classes), size, experiment.resnet)
    if cost:
        yield (
            f"{experiment.network.model} at {size} px: {cost.parameters / 1e6:,.2f} M parameters, "
            f"{cost.multiply_adds / 1e9:,.3f} G multiply-adds an image"
        )
    trainer = _alone(dataset)
    speed, validating = _training_speed(trainer), _validation_speed(trainer)
    steps = len(dataset.drawn()) // options.batch_size
    epoch = steps * options.batch_size / speed + len(dataset.validation_rows) / validating
    seconds = options.epochs * epoch + _predicted_at_the_end(dataset) / validating
    yield f"{speed:,.0f} images/s; {options.epochs} epochs of {steps} steps: {_duration(seconds)}"
    where = "the GPU" if trainer.fabric.device.type == "cuda" else "this machine"
    yield f"peak memory {_peak_memory(trainer) / 1e9:,.1f} GB on {where}"


def _data_flow(dataset: Dataset) -> Iterator[str]:
    for reason, count in dataset.records.flow:
        yield f"{count:>9,}  {reason}"
    for part, counts in dataset.split.proof.parts.items():
        classes = "  ".join(f"{name} {count:,}" for name, count in counts.classes.items())
        yield f"{counts.images:>9,}  {part}: {classes}"
    sampling = dataset.experiment.sample.sampling
    if sampling != "none":
        drawn = dataset.counts().tolist()
        classes = "  ".join(f"{name} {count:,}" for name, count in zip(dataset.records.classes, drawn, strict=True))
        yield f"{sum(drawn):>9,}  in an epoch after sampling={sampling}: {classes}"


def _alone(dataset: Dataset) -> Trainer:
    """The training in one process, without a limit on its time."""
    options = dataset.experiment.training.model_copy(update={"devices": 1, "max_minutes": None})
    dataset = replace(dataset, experiment=dataset.experiment.model_copy(update={"training": options}))
    return assemble(dataset, initial_model_of(dataset), launch(options))


def _training_speed(trainer: Trainer) -> float:
    """Images per second over the whole training, whose images may grow for three quarters of it (Simpson's rule)."""
    if trainer.options.grow_from is None:
        return _speed_at(trainer, 0.0)
    small, medium, full = (1 / _speed_at(trainer, share) for share in (0.0, GROWING / 2, GROWING))
    return 1 / (GROWING * (small + 4 * medium + full) / 6 + (1 - GROWING) * full)


def _speed_at(trainer: Trainer, share: float) -> float:
    """Images per second in the training loop, after warm-up, when this share of all steps is done.

    They are measured in one piece: a loop that starts waits for its first batch, which would count in every piece.
    """
    trainer.state.updates = round(share * trainer.steps)
    stretch = stretch_of(trainer)
    stretch(_WARM_UP)
    steps = _SECONDS * stretch(_WARM_UP) / trainer.options.batch_size
    return stretch(max(_WARM_UP, round(steps)))


def _predicted_at_the_end(dataset: Dataset) -> int:
    """Images for which the trained model is asked, to calibrate it: some training images, and nine views of others."""
    classes, labels = len(dataset.records.classes), dataset.records.labels
    return len(evenly(dataset.training_rows, labels, classes)) + 9 * len(dataset.validation_rows)


def _validation_speed(trainer: Trainer) -> float:
    """Images per second in validation: of one batch, the second time that it is seen."""
    batch = next(iter(trainer.validation.epoch()), None)
    if batch is None:
        return float("inf")
    trainer.answers(batch)
    began = time.perf_counter()
    trainer.answers(batch)
    return len(batch.rows) / (time.perf_counter() - began)


def _duration(seconds: float) -> str:
    return f"{seconds / 60:,.1f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"


def _peak_memory(trainer: Trainer) -> float:
    if trainer.fabric.device.type == "cuda":
        return float(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
