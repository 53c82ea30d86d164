"""Too little memory for training: refused in advance because of the weights, or explained during a step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from residerm.config import TrainOptions
from residerm.errors import ResidermError, UsageError
from residerm.training.memory import activations_of, explained_memory, memory_of, require_memory


@pytest.mark.parametrize(("optimizer", "numbers"), [("adamw", 5), ("adam", 5), ("sgd", 4)])
def test_memory_of_weights_gradients_and_optimiser(optimizer: str, numbers: int) -> None:
    options = TrainOptions.model_validate({"optimizer": optimizer})
    model = nn.Linear(100, 10)
    assert memory_of(model, options) == 4 * numbers * 1010
    model.requires_grad_(False)
    assert memory_of(model, options) == 4 * 2 * 1010, "frozen: the weights and their average"


def test_network_too_large_to_train_is_refused() -> None:
    model = nn.Linear(100, 10)
    require_memory(model, TrainOptions(), 8, here=5 * 4 * 1010)
    with pytest.raises(
        UsageError, match=r"`model`: to train it takes .*the state of adamw.*: choose a smaller network$"
    ):
        require_memory(model, TrainOptions(), 8, here=5 * 4 * 1010 - 1)


class Block(nn.Module):
    """A convolution, BatchNorm and ReLU with a shortcut: two layers keep the same tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.layers(images) + images
        return outputs


def test_activations_are_those_that_a_real_batch_keeps() -> None:
    model, kept = nn.Sequential(Block(), nn.Dropout(), Block(), nn.Flatten(), nn.Linear(192, 2)), {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(torch.rand(6, 3, 8, 8))
    weights = {parameter.data_ptr() for parameter in model.parameters()}
    of_images = [tensor for place, tensor in kept.items() if place not in weights and len(tensor) == 6]
    state = torch.get_rng_state()
    statistics = model[0].layers[1].running_mean.clone()
    counted = activations_of(model, 6, 8)
    assert counted == pytest.approx(sum(tensor.nbytes for tensor in of_images) / 4, rel=0.01)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(model[0].layers[1].running_mean, statistics)


def test_batch_whose_activations_do_not_fit_is_refused() -> None:
    model, options = Block(), TrainOptions(batch_size=1000, precision="float32")
    needed = memory_of(model, options) + 4 * activations_of(model, 1000, 8)
    require_memory(model, options, 8, here=needed)
    with pytest.raises(UsageError, match=r"`batch_size=1000`: a step takes at least .* or a larger `accumulate`"):
        require_memory(model, options, 8, here=needed - 1)
    require_memory(model, TrainOptions(batch_size=1000, precision="float32", accumulate=2), 8, here=needed - 1)
    require_memory(model, TrainOptions(batch_size=1000, precision="bf16"), 8, here=needed - 1)


def test_networks_whose_activations_cannot_be_counted_are_not_refused() -> None:
    model = Block()
    model.layers[2].fused_attn = True  # as in timm's attention
    assert activations_of(model, 1000, 8) == 0
    assert activations_of(nn.Linear(10, 1), 1000, 8) == 0


def test_out_of_memory_in_a_step_is_explained() -> None:
    with (
        pytest.raises(ResidermError, match=r"not enough memory to train with `batch_size=64`: give a smaller one"),
        explained_memory(TrainOptions(batch_size=64)),
    ):
        torch.empty(2**52)


def test_other_errors_are_not_changed() -> None:
    with pytest.raises(RuntimeError, match="shapes"), explained_memory(TrainOptions()):
        torch.empty(2, 3) @ torch.empty(2, 3)
