"""Too little memory for training: refused in advance because of the weights, or explained during a step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from residerm.config import TrainOptions
from residerm.errors import ResidermError, UsageError
from residerm.training.memory import explained_memory, memory_of, require_memory


@pytest.mark.parametrize(("optimizer", "numbers"), [("adamw", 5), ("adam", 5), ("sgd", 4)])
def test_memory_of_weights_gradients_and_optimiser(optimizer: str, numbers: int) -> None:
    options = TrainOptions.model_validate({"optimizer": optimizer})
    model = nn.Linear(100, 10)
    assert memory_of(model, options) == 4 * numbers * 1010
    model.requires_grad_(False)
    assert memory_of(model, options) == 4 * 2 * 1010, "frozen: the weights and their average"


def test_network_too_large_to_train_is_refused() -> None:
    model = nn.Linear(100, 10)
    require_memory(model, TrainOptions(), here=5 * 4 * 1010)
    with pytest.raises(
        UsageError, match=r"`model`: to train it takes .*the state of adamw.*: choose a smaller network$"
    ):
        require_memory(model, TrainOptions(), here=5 * 4 * 1010 - 1)


def test_out_of_memory_in_a_step_is_explained() -> None:
    with (
        pytest.raises(ResidermError, match=r"not enough memory to train with `batch_size=64`: give a smaller one"),
        explained_memory(TrainOptions(batch_size=64)),
    ):
        torch.empty(2**52)


def test_other_errors_are_not_changed() -> None:
    with pytest.raises(RuntimeError, match="shapes"), explained_memory(TrainOptions()):
        torch.empty(2, 3) @ torch.empty(2, 3)
