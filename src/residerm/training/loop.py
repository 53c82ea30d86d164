"""The training loop.

    for each epoch:  for each batch:  augment, mix → forward → loss → backward → clip → step → moving average
                     validate the moving average; keep it unless it is clearly behind the best

A step depends only on the previous state and on (seed, epoch, step). The test part is never used here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from residerm.config import AugmentOptions, TrainOptions
from residerm.data.loading.augment import augment
from residerm.data.loading.batches import Batch, Batches
from residerm.errors import ResidermError
from residerm.progress import SILENT, Progress
from residerm.runs import Epoch
from residerm.training.checkpoint import Checkpoints, State
from residerm.training.objective import Objective, Validation
from residerm.training.recipe import Labels, rate_factor, set_rate, shrink, size_at
from residerm.training.selection import select

_SECONDS_BETWEEN_CHECKPOINTS = 240
_STEPS_BETWEEN_LOOKS = 20  # between reads of the loss, each of which waits for the GPU


T = TypeVar("T")


class LossError(ResidermError):
    """The loss is not finite."""


@dataclass(frozen=True)
class Stop:
    """Why a training stopped; an interrupted training is not finished."""

    why: str
    interrupted: bool = False


@dataclass
class Trainer:
    """One training: its parts, and the loop over them."""

    fabric: Fabric
    network: nn.Module  # the model as Fabric wraps it
    state: State
    objective: Objective
    training: Batches
    validation: Batches
    options: TrainOptions
    augmentation: AugmentOptions
    checkpoints: Checkpoints | None = None  # None: nothing is written
    progress: Progress = SILENT
    stopping: Callable[[], str | None] = lambda: None  # why to stop now, such as Ctrl-C
    _saved: float = field(default_factory=time.monotonic, init=False)

    def fit(self) -> Stop:
        """Train until the end, and return why it stopped."""
        state, options = self.state, self.options
        while state.epoch < options.epochs:
            stop = self._stop() or self.train_epoch() or self._end_epoch()
            if stop:
                self._checkpoint()
                if not state.rows and not stop.interrupted:
                    self._end_epoch()  # stopped in the first epoch, which is validated as it is
                return stop
        self._checkpoint()
        return Stop("all epochs completed")

    @cached_property
    def steps(self) -> int:
        """The number of steps of the whole training."""
        return self.training.steps() * self.options.epochs

    def train_epoch(self) -> Stop | None:
        """Train the remaining steps of an epoch; return why to stop, or None."""
        state, steps = self.state, self.training.steps(self.state.epoch)
        self.network.train()
        found: list[Tensor] = []
        since = time.monotonic()
        for batch in self.training.epoch(state.epoch, start=state.step):
            rate = self.options.rate * rate_factor(state.updates, self.steps, self.options)
            set_rate(state.optimizer, rate)
            found.append(self.step(batch))
            state.step += 1
            state.updates += 1
            if self.fabric.device.type != "cpu" and len(found) < _STEPS_BETWEEN_LOOKS and state.step < steps:
                continue
            self._take_up(found)
            now = time.monotonic()
            speed, since = len(found) * batch.total / (now - since), now
            state.seconds += len(found) * batch.total / speed
            found.clear()
            self._advance(steps, rate, speed)
            if stop := self._stop():
                return stop
            if self._agreed(now - self._saved > _SECONDS_BETWEEN_CHECKPOINTS):
                self._checkpoint()
        return None

    def _advance(self, steps: int, rate: float, speed: float) -> None:
        state = self.state
        done, total = state.epoch * steps + state.step, self.options.epochs * steps
        note = f"loss {state.loss_sum / state.step:.3f}  rate {rate:.1e}  {speed:,.0f} images/s"
        self.progress.advance("training", done, total, unit="steps", note=note)

    def _stop(self) -> Stop | None:
        """Why to stop now, because of a signal or the time limit, or None."""
        signal, limit = self.stopping(), self.options.max_minutes
        stop = Stop(signal, interrupted=True) if signal else None
        if stop is None and limit and self.state.seconds > 60 * limit:
            stop = Stop(f"reached the limit of {limit:g} minutes (max_minutes)")
        return self._agreed(stop)

    def _agreed(self, decision: T) -> T:
        """The decision of the first process, for all processes, because their clocks differ."""
        return decision if self.fabric.world_size == 1 else self.fabric.broadcast(decision)

    def step(self, batch: Batch) -> Tensor:
        """One step of the optimiser; returns the loss and the accuracy."""  # (2,)
        options, state = self.options, self.state
        drawn = {"seed": options.seed, "epoch": state.epoch, "step": state.step}
        torch.manual_seed(int(np.random.SeedSequence([*drawn.values(), self.fabric.global_rank]).generate_state(1)[0]))
        images, labels = self.fabric.to_device((batch.images, batch.labels))
        images = augment(images, self.augmentation, **drawn, first=batch.first, total=batch.total)
        images, targets = self.objective.targets(images, labels, rows=batch.rows, epoch=state.epoch, step=state.step)
        images = shrink(images, size_at(state.updates, self.steps, images.shape[-1], options))
        found = self._gradients(images, targets)
        if options.clip:
            torch.nn.utils.clip_grad_norm_(state.model.parameters(), options.clip)
        state.optimizer.step()
        state.optimizer.zero_grad(set_to_none=True)
        state.average.update(state.updates)
        return found

    def _gradients(self, images: Tensor, targets: Labels) -> Tensor:
        """Back-propagate the mean loss of a batch, in `accumulate` parts; returns the loss and the accuracy."""
        number, total = self.options.accumulate, torch.zeros(2, device=images.device)
        parts = list(zip(images.tensor_split(number), targets.parts(number), strict=True))
        for place, (some, of_them) in enumerate(parts):
            with self.fabric.no_backward_sync(self.network, enabled=place < len(parts) - 1):  # type: ignore[arg-type]
                share = len(some) / len(images)
                loss, accuracy = self.objective.loss(self.network(some), of_them)
                self.fabric.backward(loss * share)
            total += share * torch.stack((loss.detach(), accuracy))
        return total

    def _take_up(self, found: list[Tensor]) -> None:
        """Add to the sums of the epoch; raise `LossError` if the loss is not finite, before anything is saved."""
        loss, accuracy = self._mean_of_processes(torch.stack(found).sum(0))
        if not math.isfinite(loss):
            kept = f"; the last good state is kept in {self._kept_in}" if self._kept_in else ""
            raise LossError(
                f"the loss became {loss} at step {self.state.step} of epoch {self.state.epoch + 1}{kept}: "
                "try a lower `rate`, `clip=1`, or `precision=float32`"
            )
        self.state.loss_sum += loss
        self.state.accuracy_sum += accuracy

    def _mean_of_processes(self, values: Tensor) -> list[float]:
        if self.fabric.world_size > 1:
            torch.distributed.all_reduce(values)
        return [value / self.fabric.world_size for value in values.tolist()]

    def _end_epoch(self) -> Stop | None:
        """Validate, keep the weights if they are good enough, write the row; return why to stop, or None."""
        state, options = self.state, self.options
        found = self._validate()
        select(state, self.objective.select, found.score, found.standard_error)
        steps = max(state.step, 1)
        state.rows.append(
            Epoch(
                epoch=state.epoch + 1,
                train_loss=state.loss_sum / steps,
                train_accuracy=state.accuracy_sum / steps,
                kept_epoch=state.kept_epoch,
                seconds=round(state.seconds, 1),
                scores=found.scores,
            )
        )
        state.next_epoch()
        if self.checkpoints and self.fabric.is_global_zero:
            self.checkpoints.end_epoch(state)
        self.progress.epoch(state.rows[-1].values, options.epochs)
        waited = state.epoch - state.best_epoch
        if options.patience and waited >= options.patience:
            return Stop(f"no better {self.objective.select} for {waited} epochs (patience {options.patience})")
        return None

    @torch.no_grad()
    def answers(self, batch: Batch) -> np.ndarray:
        """The predictions of the moving average for a batch."""
        with self.fabric.autocast():
            outputs = self.state.average.module(self.fabric.to_device(batch.images).float())
        return self.objective.answers(outputs)

    def _validate(self) -> Validation:
        """Validate the moving average on the validation part."""
        answered = [(batch.rows, batch.labels.numpy(), self.answers(batch)) for batch in self.validation.epoch()]
        gathered = _gather(answered, self.fabric)
        if not gathered:
            return self.objective.validate(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 0)))
        rows, labels, answers = (np.concatenate(parts) for parts in zip(*gathered, strict=True))
        order = np.argsort(rows)  # the same order of summation for any number of processes
        return self.objective.validate(rows[order], labels[order], answers[order])

    def _checkpoint(self) -> None:
        self._saved = time.monotonic()
        if self.checkpoints:
            if self.fabric.is_global_zero:
                self.checkpoints.save(self.state)
            self.fabric.barrier()

    @property
    def _kept_in(self) -> Path | None:
        """The folder of the last checkpoint, if there is one."""
        last = self.checkpoints and self.checkpoints.run.last
        return last.parent if last and last.exists() else None


def _gather(own: list[Any], fabric: Fabric) -> list[Any]:
    """Gather the lists of all processes."""
    if fabric.world_size == 1:
        return own
    everything: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(everything, own)
    return [one for theirs in everything for one in theirs]
