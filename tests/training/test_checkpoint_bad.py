"""Checkpoints with content of wrong types are refused or harmless; nothing fails in a later step."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from residerm.runs import Epoch
from residerm.training.checkpoint import (
    CheckpointError,
    State,
    load_selected_weights,
    load_state,
    save_selected_weights,
    save_state,
)
from residerm.training.recipe import MovingAverage

CPU = torch.device("cpu")
STRANGE: tuple[Any, ...] = ("text", None, 10**30, [1], torch.zeros(7))


def state(kind: str = "adamw") -> State:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    weights = model.parameters()
    optimizer = torch.optim.AdamW(weights) if kind == "adamw" else torch.optim.SGD(weights, 0.1, 0.9)
    made = State(model, MovingAverage(model, average, 0.9), optimizer)
    step(made)
    made.rows = [Epoch(1, 0.5, 0.6, 1, 2.0, {"macro_auc": 0.7})]
    made.epoch, made.kept_epoch, made.best_epoch, made.best_score = 1, 1, 1, 0.7
    return made


def step(made: State) -> None:
    made.optimizer.zero_grad()
    made.model(torch.ones(4, 3) * torch.arange(4)[:, None]).square().mean().backward()
    made.optimizer.step()
    made.next_epoch()


def value_paths(content: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all nested values."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield (*before, key)
        yield from value_paths(value, (*before, key))


@pytest.mark.parametrize("kind", ["adamw", pytest.param("sgd", marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore:Using a non-tuple:UserWarning")
def test_any_value_may_have_another_type(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "last.ckpt"
    save_state(state(kind), path)
    refused = 0
    for place in list(value_paths(torch.load(path, weights_only=True))):
        for strange in STRANGE:
            content = torch.load(path, weights_only=True)
            inside = content
            for key in place[:-1]:
                inside = inside[key]
            inside[place[-1]] = strange
            torch.save(content, tmp_path / "strange.ckpt")
            taken = state(kind)
            try:
                load_state(taken, tmp_path / "strange.ckpt", CPU)
            except CheckpointError:
                refused += 1
            else:
                step(taken)
    assert refused > 150


def test_checkpoint_of_another_type(tmp_path: Path) -> None:
    path = tmp_path / "best.ckpt"
    for strange in (*STRANGE, {"format": 3}, {"format": 3, "average": [1]}, {"format": 3, "average": {"0.weight": 1}}):
        torch.save(strange, path)
        with pytest.raises(CheckpointError):
            load_state(state(), path, CPU)
        with pytest.raises(CheckpointError):
            load_selected_weights(state().model, path, CPU)


def test_damaged_bytes(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    save_state(state(), path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 397):
        path.write_bytes(whole[:place] + b"\xff\0\xff\0" + whole[place + 4 :])
        with suppress(CheckpointError):
            load_state(state(), path, CPU)


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    saved, back = state(), state()
    step(saved)
    saved.rows.append(Epoch(2, 0.4, 0.7, 2, 4.0))
    saved.kept_epoch = 2
    save_state(saved, tmp_path / "last.ckpt")
    load_state(back, tmp_path / "last.ckpt", CPU)
    assert (back.epoch, back.kept_epoch, back.rows) == (saved.epoch, 2, saved.rows)
    pairs = zip(saved.model.parameters(), back.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    save_selected_weights(saved.model, tmp_path / "best.ckpt")
    load_selected_weights(back.model, tmp_path / "best.ckpt", CPU)
