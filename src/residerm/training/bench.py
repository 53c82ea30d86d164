"""Measure the speed of training, compared with the hardware's limit and with a plain training loop.

residerm bench PATH

    loop    the training of `residerm train`: cache, augmentation, forward, backward, clipping, optimiser, EMA, metrics
    bare    only forward, backward, optimiser and EMA, repeatedly on one batch in memory
    plain   ImageFolder and DataLoader with two workers, in float32 (plain.py)

The three are interleaved in each round, and ratios are computed within a round, because the speed of a machine varies;
the medians over the rounds are shown. Start-up time and memory are measured in a separate process (probe.py).
"""

from __future__ import annotations

import copy
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
import yaml
from lightning_fabric import Fabric

from residerm.config import BenchOptions, Experiment, Options
from residerm.data.dataset import Dataset
from residerm.errors import ResidermError, counted
from residerm.inference.precision import choose_precision
from residerm.models.complexity import Complexity, measure
from residerm.progress import SILENT, Progress
from residerm.runs import Environment
from residerm.training.assembly import assemble, initial_model_of, prepare
from residerm.training.hardware import launch, wait_for
from residerm.training.plain import PlainLoop, unpack
from residerm.training.probe import Startup
from residerm.training.recipe import MovingAverage, optimizer_for
from residerm.training.stretch import Stretch, stretch_of

_WARM_UP = 5  # steps of the plain loop: the batches that its workers prefetch, and one more


class TrainingSpeeds(Options):
    """The results: images per second of each contender, the ratios, and the start of a run."""

    model: str
    size: int
    batch_size: int
    device: str
    precision: str
    parameters: int | None
    multiply_adds: int | None
    images_per_second: dict[str, float]  # the medians of the rounds
    rounds: dict[str, list[float]]
    ratios: dict[str, float]
    absent: dict[str, str]  # contenders that could not be measured, and why
    interrupted: bool
    startup: Startup | None  # None: not requested, or interrupted
    environment: Environment


def bench(
    experiment: Experiment, options: BenchOptions = BenchOptions(), progress: Progress = SILENT
) -> TrainingSpeeds:
    """Measure the speeds in each round, their medians, and the medians of the ratios.

    With `minutes`, no round except the first is started that would exceed this time. Ctrl-C returns the results of the
    complete rounds; in the first round, those of the contenders measured so far, if there are any.
    """
    fabric = launch(experiment.training)
    experiment = _of_one_size(experiment.in_effect())
    dataset = prepare(experiment, progress)
    with ExitStack() as stack:
        contenders: dict[str, Stretch] = {
            "loop": stretch_of(assemble(_unlimited(dataset), initial_model_of(dataset), fabric)),
            "bare": _bare(dataset, fabric),
        }
        absent = {}
        if options.plain:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            try:
                contenders["plain"] = _plain(dataset, fabric, folder)
            except (ImportError, RuntimeError) as error:  # a torchvision that was built for another torch
                absent["plain"] = f"torchvision cannot be imported ({error})"
        turns = _Turns(contenders, options.steps, progress)
        turns.take(options.rounds, options.minutes)
        absent |= {name: "stopped before its first turn" for name in contenders if name not in turns.speeds}
    startup, interrupted = None, turns.interrupted
    if options.startup and not interrupted:
        progress.advance("measuring", 0, 1, unit="runs", note="one epoch in a separate process")
        try:
            startup = _startup(experiment)
        except KeyboardInterrupt:
            interrupted = True
    cost = _cost(dataset)
    return TrainingSpeeds(
        model=experiment.network.model,
        size=experiment.pixels.size,
        batch_size=experiment.training.batch_size,
        device=_device(fabric),
        precision=choose_precision(experiment.training.precision, fabric.device.type),
        parameters=cost.parameters if cost else None,
        multiply_adds=cost.multiply_adds if cost else None,
        images_per_second={name: statistics.median(values) for name, values in turns.speeds.items()},
        rounds=turns.speeds,
        ratios=_ratios(turns.speeds),
        absent=absent,
        interrupted=interrupted,
        startup=startup,
        environment=Environment.here(),
    )


def _of_one_size(experiment: Experiment) -> Experiment:
    """The experiment with images of the final size from the beginning, which is what the other contenders train on."""
    return experiment.model_copy(update={"training": experiment.training.model_copy(update={"grow_from": None})})


def _ratios(speeds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The speed of the loop relative to each of the others: the median of the ratios within a round."""
    return {
        f"loop/{name}": statistics.median(own / its for own, its in zip(speeds["loop"], values, strict=True))
        for name, values in speeds.items()
        if name != "loop"
    }


class _Turns:
    """Measures the contenders alternately; an interrupted round does not count, unless it is the first."""

    def __init__(self, contenders: dict[str, Stretch], steps: int, progress: Progress) -> None:
        self._contenders, self._steps, self._progress = contenders, steps, progress
        self.speeds: dict[str, list[float]] = {name: [] for name in contenders}
        self.interrupted = False

    def take(self, rounds: int, minutes: float | None) -> None:
        """Warm up, report the expected time, and measure."""
        began = time.perf_counter()
        try:
            warm_up = self._round(min(self._steps, _WARM_UP), 0, rounds)
            self._report_time(warm_up * self._steps / min(self._steps, _WARM_UP), rounds, minutes)
            for number in range(1, rounds + 1):
                since = time.perf_counter()
                self._round(self._steps, number, rounds, counts=True)
                now = time.perf_counter()
                if minutes and (now - began) + (now - since) > 60 * minutes:
                    return
        except KeyboardInterrupt:
            self._drop_incomplete()
            if not self.speeds:
                raise
            self.interrupted = True

    def _report_time(self, seconds: float, rounds: int, minutes: float | None) -> None:
        least = min(rounds * seconds / 60, minutes or float("inf"))
        self._progress.remark(
            f"measuring {counted(rounds, 'round')} takes about {least:,.1f} minutes; `minutes` sets a limit, and "
            "Ctrl-C shows the results so far"
        )

    def _drop_incomplete(self) -> None:
        """Keep the complete rounds; if there are none, whatever was measured of the first."""
        complete = min(map(len, self.speeds.values())) or 1
        self.speeds = {name: values[:complete] for name, values in self.speeds.items() if values}

    def _round(self, steps: int, number: int, rounds: int, *, counts: bool = False) -> float:
        """Run one round, and return its duration in seconds."""
        began, many = time.perf_counter(), len(self._contenders)
        for place, (name, stretch) in enumerate(self._contenders.items()):
            done, total = number * many + place, (rounds + 1) * many
            self._progress.advance("measuring", done, total, unit="turns", note=name)
            speed = stretch(steps)
            if counts:
                self.speeds[name].append(speed)
        return time.perf_counter() - began


def _unlimited(dataset: Dataset) -> Dataset:
    """The same dataset without a limit on the training time."""
    training = dataset.experiment.training.model_copy(update={"max_minutes": None})
    return replace(dataset, experiment=dataset.experiment.model_copy(update={"training": training}))


def _bare(dataset: Dataset, fabric: Fabric) -> Stretch:
    """The upper limit of any loop: only the arithmetic of a step, with the images already on the device."""
    options = dataset.experiment.training
    model = initial_model_of(dataset).model.to(fabric.device).to(memory_format=torch.channels_last).train()
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
    loop = PlainLoop(folder, dataset.experiment, initial_model_of(dataset).model, fabric.device)
    return lambda steps: loop.stretch(steps, _WARM_UP)


def _startup(experiment: Experiment) -> Startup:
    """The start-up time and memory of a run of one epoch in its own process, with an existing cache."""
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
        raise ResidermError(f"the measured run failed: {process.stderr.strip().splitlines()[-1:]}")
    return Startup(**json.loads(process.stdout.splitlines()[-1]))


def _cost(dataset: Dataset) -> Complexity | None:
    experiment = dataset.experiment
    return measure(experiment.network.model, len(dataset.records.classes), experiment.pixels.size, experiment.resnet)


def _device(fabric: Fabric) -> str:
    if fabric.device.type == "cuda":
        return torch.cuda.get_device_name(fabric.device)
    return counted(torch.get_num_threads(), "thread")
