"""The state of a training, from which it can be resumed at any step with identical results.

Random numbers depend only on seed, epoch and step, so no random state is stored. A checkpoint is written under another
name and renamed, so that a process killed while writing leaves the previous one. Reading it executes no code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import BaseModel, ConfigDict, NonNegativeInt, model_validator
from torch import nn

from residerm.errors import ResidermError
from residerm.files import new_file
from residerm.runs import Epoch, Run
from residerm.training.recipe import MovingAverage

_FORMAT = 3
_LARGEST_SETTING = 1e6  # of an optimiser, such as its learning rate


class CheckpointError(ResidermError):
    """A checkpoint is damaged, or belongs to another model."""


@dataclass
class State:
    """The state of a training."""

    model: nn.Module
    average: MovingAverage
    optimizer: torch.optim.Optimizer
    epoch: int = 0  # finished epochs
    step: int = 0  # finished steps of the current epoch
    updates: int = 0  # finished steps in total
    loss_sum: float = 0.0  # over the steps of the current epoch
    accuracy_sum: float = 0.0
    seconds: float = 0.0  # of training, over all sessions
    best_score: float | None = None  # on the validation part
    best_error: float = 0.0  # its standard error
    best_epoch: int = 0
    kept_epoch: int = 0  # whose weights are kept
    rows: list[Epoch] = field(default_factory=list)  # of metrics.csv

    def next_epoch(self) -> None:
        """Start the next epoch, with sums reset."""
        self.epoch, self.step, self.loss_sum, self.accuracy_sum = self.epoch + 1, 0, 0.0, 0.0

    _COUNTS = (
        "epoch", "step", "updates", "loss_sum", "accuracy_sum", "seconds", "best_score", "best_error", "best_epoch",
        "kept_epoch",
    )  # fmt: skip


def save_state(state: State, path: Path) -> None:
    """Write a checkpoint from which training can be resumed."""
    content = {
        "format": _FORMAT,
        "model": state.model.state_dict(),
        "average": state.average.module.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        **{name: getattr(state, name) for name in State._COUNTS},
        "rows": [row.values for row in state.rows],
    }
    _write(content, path)


def load_state(state: State, path: Path, device: torch.device) -> None:
    """Restore the state from a checkpoint."""
    content = _read(path, device)
    with _misfit_explained(path):
        counts = _Counts.model_validate(content)
        state.model.load_state_dict(content["model"])
        state.average.module.load_state_dict(content["average"])
        before = [dict(group) for group in state.optimizer.param_groups]
        state.optimizer.load_state_dict(content["optimizer"])
        _require_fitting_optimizer(state.optimizer, before)
        for name in State._COUNTS:
            setattr(state, name, getattr(counts, name))
        state.rows = [Epoch.from_values(row) for row in counts.rows]


def save_selected_weights(module: nn.Module, path: Path) -> None:
    """Write the selected weights."""
    _write({"format": _FORMAT, "average": module.state_dict()}, path)


def load_selected_weights(module: nn.Module, path: Path, device: torch.device) -> None:
    """Read the selected weights."""
    content = _read(path, device)
    with _misfit_explained(path):
        module.load_state_dict(content["average"])


class _Counts(BaseModel):
    """Validates the contents of a checkpoint other than weights."""

    model_config = ConfigDict(strict=True)

    epoch: NonNegativeInt
    step: NonNegativeInt
    updates: NonNegativeInt
    loss_sum: float
    accuracy_sum: float
    seconds: float
    best_score: float | None
    best_error: float
    best_epoch: NonNegativeInt
    kept_epoch: NonNegativeInt
    rows: list[dict[str, float]]

    @model_validator(mode="after")
    def _within_rows(self) -> Self:
        if max(self.best_epoch, self.kept_epoch) > len(self.rows) or len(self.rows) < self.epoch:
            raise ValueError("an epoch has no row")
        return self


@contextmanager
def _misfit_explained(path: Path) -> Iterator[None]:
    """Convert the various exceptions of torch for a state that does not fit to `CheckpointError`."""
    try:
        yield
    except Exception as error:
        raise CheckpointError(f"{path} does not fit this run's model: it is a checkpoint of another model") from error


def _require_fitting_optimizer(optimizer: torch.optim.Optimizer, before: list[dict[str, object]]) -> None:
    """Check the state of the optimiser, which torch loads without validation."""
    for group, own in zip(optimizer.param_groups, before, strict=True):
        for name, value in own.items():
            if name != "params" and (_kind(group[name]) != _kind(value) or not _is_sane(group[name])):
                raise ValueError(f"{name} is {group[name]!r}")
    for parameter, kept in optimizer.state.items():
        for name, value in kept.items():
            if not isinstance(value, torch.Tensor) or value.shape not in (parameter.shape, torch.Size()):
                raise ValueError(f"{name} does not fit its weights")


def _is_sane(value: object) -> bool:
    """Whether a setting, if it is a number, is in a plausible range."""
    return not isinstance(value, int | float) or 0 <= value <= _LARGEST_SETTING


def _kind(value: object) -> object:
    """The type of a setting; integers and floats are treated as equal."""
    if isinstance(value, tuple):
        return tuple(map(_kind, value))
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


@dataclass(frozen=True)
class Checkpoints:
    """Writes the checkpoints of a training to its run folder."""

    run: Run

    def save(self, state: State) -> None:
        """Write the state from which training can be resumed."""
        save_state(state, self.run.last)

    def end_epoch(self, state: State) -> None:
        """Write the weights of the epoch, if they are the ones to keep, and the rows of all epochs."""
        if state.kept_epoch == state.epoch:
            save_selected_weights(state.average.module, self.run.best)
        self.run.write_epochs(state.rows)


def _write(content: dict[str, object], path: Path) -> None:
    with new_file(path, replace=True) as partial, partial.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # torch's writer hides the original OSError
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def _read(path: Path, device: torch.device) -> dict[str, Any]:
    try:
        content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # a damaged file raises various exceptions
        raise CheckpointError(
            f"{path} is truncated or not a checkpoint: remove it, and `resume` starts from the beginning"
        ) from error
    found = content.get("format") if isinstance(content, dict) else None
    if not isinstance(found, int) or found != _FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of this version of residerm")
    return content
