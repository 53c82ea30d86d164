"""How fast training is against the machine's own limit, and against the loop that everyone writes first.

residerm bench PATH

    loop    the training of `residerm train`: cache, augmentation, forward, backward, clipping, optimiser, EMA, metrics
    bare    forward, backward, optimiser and EMA alone, again and again on one batch that lies in memory
    plain   ImageFolder and DataLoader with two workers, in float32 (plain.py)

The three take turns in every round, and ratios are taken within a round, since a machine's speed changes with the
hour; what is told is the median of the rounds. Start and memory are those of a run in a process of its own (probe.py).
"""

from __future__ import annotations

import copy
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import yaml
from lightning_fabric import Fabric

from residerm.config import Experiment
from residerm.data.dataset import Dataset
from residerm.errors import ResidermError
from residerm.inference.precision import choose_precision
from residerm.models.complexity import measure
from residerm.progress import SILENT, Progress
from residerm.runs import Environment
from residerm.training.assembly import assemble, begin_with, prepare
from residerm.training.hardware import launch, wait_for
from residerm.training.plain import PlainLoop, unpack
from residerm.training.recipe import MovingAverage, optimizer_for

Stretch = Callable[[int], float]  # a number of steps → images a second

_WARM_UP = 5  # steps of the plain loop: as many batches as its workers lay in store, and one


def bench(
    experiment: Experiment,
    *,
    rounds: int = 5,
    steps: int = 20,
    plain: bool = True,
    probe: bool = True,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Measure all; speeds of every round, their medians, and the medians of the ratios."""
    fabric = launch(experiment.training)
    experiment = experiment.in_effect()
    dataset = prepare(experiment, progress)
    with ExitStack() as stack:
        contenders: dict[str, Stretch] = {
            "loop": _loop(dataset, fabric),
            "bare": _bare(dataset, fabric),
        }
        absent = {}
        if plain:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            try:
                contenders["plain"] = _plain(dataset, fabric, folder)
            except (ImportError, RuntimeError) as error:  # a torchvision that was built for another torch
                absent["plain"] = f"torchvision cannot be imported here ({error})"
        speeds = _take_turns(contenders, rounds, steps, progress)
    result = {
        "model": experiment.network.model,
        "size": experiment.pixels.size,
        "batch_size": experiment.training.batch_size,
        "device": _device(fabric),
        "precision": choose_precision(experiment.training.precision, fabric.device.type),
        **_cost(dataset),
        "images_per_second": {name: statistics.median(values) for name, values in speeds.items()},
        "rounds": speeds,
        "absent": absent,
        "ratios": {
            f"loop/{name}": statistics.median(own / its for own, its in zip(speeds["loop"], values, strict=True))
            for name, values in speeds.items()
            if name != "loop"
        },
    }
    if probe:
        progress.advance("measuring", 0, 1, unit="runs", note="an epoch in a process of its own")
        result["run"] = _probe(experiment)
    return {**result, "environment": Environment.here().plain()}


def _take_turns(contenders: dict[str, Stretch], rounds: int, steps: int, progress: Progress) -> dict[str, list[float]]:
    """Images a second of each contender in each round; the first stretch, not counted, warms up."""
    speeds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for place, (name, stretch) in enumerate(contenders.items()):
            done, total = turn * len(contenders) + place, (rounds + 1) * len(contenders)
            progress.advance("measuring", done, total, unit="turns", note=name)
            speed = stretch(steps if turn else min(steps, _WARM_UP))
            if turn:
                speeds[name].append(speed)
    return speeds


def _loop(dataset: Dataset, fabric: Fabric) -> Stretch:
    """The training loop as `residerm train` runs it, without validation and checkpoints."""
    trainer = assemble(dataset, begin_with(dataset), fabric)

    def stretch(steps: int) -> float:
        first, began = trainer.state.updates, time.perf_counter()
        trainer.stopping = lambda: "measured" if trainer.state.updates >= first + steps else None
        while not trainer.train_epoch():
            trainer.state.next_epoch()
        done = trainer.state.updates - first
        return done * trainer.options.batch_size / (time.perf_counter() - began)

    return stretch


def _bare(dataset: Dataset, fabric: Fabric) -> Stretch:
    """What no loop can go below: the arithmetic of a step, with the images already where they are needed."""
    options = dataset.experiment.training
    model = begin_with(dataset).model.to(fabric.device).to(memory_format=torch.channels_last).train()
    average = MovingAverage(model, copy.deepcopy(model), options.ema)
    optimizer = optimizer_for(model.parameter_groups(), options)
    size, classes = dataset.experiment.pixels.size, len(dataset.records.classes)
    images = 255 * torch.rand(options.batch_size, 3, size, size, device=fabric.device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(classes, (options.batch_size,), device=fabric.device)

    def stretch(steps: int) -> float:
        wait_for(fabric.device)
        began = time.perf_counter()
        for step in range(steps):
            with fabric.autocast():
                logits = model(images)
            F.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            average.update(step)
        wait_for(fabric.device)
        return steps * options.batch_size / (time.perf_counter() - began)

    return stretch


def _plain(dataset: Dataset, fabric: Fabric, folder: Path) -> Stretch:
    unpack(dataset.records, dataset.training_rows, folder)
    loop = PlainLoop(folder, dataset.experiment, begin_with(dataset).model, fabric.device)
    return lambda steps: loop.stretch(steps, _WARM_UP)


def _probe(experiment: Experiment) -> dict[str, float]:
    """The start and the memory of a run of one epoch, in a process of its own, when the cache is already there."""
    training = experiment.training.model_copy(update={"epochs": 1, "max_minutes": None})
    options = experiment.model_copy(update={"training": training, "path": experiment.path.absolute()}).flat()
    process = subprocess.run(
        [sys.executable, "-m", "residerm.training.probe"],
        input=yaml.safe_dump(options),
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        raise ResidermError(f"the run that was to be measured failed: {process.stderr.strip().splitlines()[-1:]}")
    result: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    return result


def _cost(dataset: Dataset) -> dict[str, int]:
    experiment = dataset.experiment
    cost = measure(experiment.network.model, len(dataset.records.classes), experiment.pixels.size, experiment.resnet)
    return {"parameters": cost.parameters, "multiply_adds": cost.multiply_adds} if cost else {}


def _device(fabric: Fabric) -> str:
    if fabric.device.type == "cuda":
        return torch.cuda.get_device_name(fabric.device)
    return f"{torch.get_num_threads()} threads"
