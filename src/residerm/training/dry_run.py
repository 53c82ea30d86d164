"""What a training would be: data flow, parameters, memory and time, from a few steps that are thrown away.

residerm train PATH --dry-run
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Iterator
from itertools import islice

import torch

from residerm.config import Experiment
from residerm.data.dataset import Dataset
from residerm.models.complexity import measure
from residerm.training.assembly import assemble, begin_with, prepare
from residerm.training.hardware import launch

_STEPS = 5


def foresee(experiment: Experiment) -> Iterator[str]:
    """A line for each thing that is known before training begins."""
    experiment = experiment.in_effect()
    dataset = prepare(experiment)
    yield from _data_flow(dataset)
    yield from (*dataset.remarks, *experiment.cautions)
    options, size = experiment.training, experiment.pixels.size
    cost = measure(experiment.network.model, len(dataset.records.classes), size, experiment.resnet)
    if cost:
        yield (
            f"{experiment.network.model} at {size} px: {cost.parameters / 1e6:,.2f} M parameters, "
            f"{cost.multiply_adds / 1e9:,.3f} G multiply-adds an image"
        )
    seconds, memory = _try_steps(dataset)
    steps = len(dataset.drawn()) // options.batch_size
    minutes = options.epochs * (steps * seconds + len(dataset.validation_rows) / options.batch_size * seconds / 3) / 60
    speed = options.batch_size / seconds
    yield f"{speed:,.0f} images/s; {options.epochs} epochs of {steps} steps: {minutes:,.1f} minutes"
    yield f"peak memory {memory / 1e9:,.1f} GB on {'the GPU' if torch.cuda.is_available() else 'this machine'}"


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


def _try_steps(dataset: Dataset) -> tuple[float, float]:
    """Seconds of a step, the median of a few, and the peak of memory in bytes."""
    fabric = launch(dataset.experiment.training.model_copy(update={"devices": 1}))
    trainer = assemble(dataset, begin_with(dataset), fabric)
    trainer.network.train()
    times = []
    for batch in islice(trainer.training.epoch(), _STEPS):
        began = time.perf_counter()
        trainer.step(batch).tolist()  # waits for it
        times.append(time.perf_counter() - began)
    if fabric.device.type == "cuda":
        return statistics.median(times[1:] or times), float(torch.cuda.max_memory_allocated())
    return statistics.median(times[1:] or times), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
