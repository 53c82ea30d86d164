"""Find and build models by name.

    model = build("resnet50", classes=7, size=64)
    logits = model(images)         images: RGB of 0 to 255, uint8 or floating-point, (n, 3, 64, 64)

The names are explained in networks.py. For an unsupported size, the error suggests the next supported one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import torch
from torch import Tensor, nn

from residerm.config import ResNetOptions
from residerm.errors import UsageError, nearest
from residerm.models.complexity import measure
from residerm.models.model import Model
from residerm.models.networks import AS_PUBLISHED, OWN, classifier_of, is_own, known_names, network, require
from residerm.models.pretrained import Pretrained
from residerm.models.shapes import ShapesAlone
from residerm.models.weights import load_weights
from residerm.progress import SILENT, Progress

_LARGEST = 1024  # pixels
_BYTES = 4  # of a weight
_STEP = 32  # most networks support multiples of this, above some size


def find_models(pattern: str) -> list[str]:
    """The names that contain a text or match a pattern with * or ?, with residerm's own first.

    Names that specify their blocks are not listed, but found if they are given in full.
    """
    if is_own(pattern) and pattern not in OWN:
        return [pattern]
    wanted = pattern.lower() if set("*?") & set(pattern) else f"*{pattern.lower()}*"
    known = known_names()
    found = [name for name in known if fnmatchcase(name, wanted)]
    if not found:
        raise UsageError(f"no model matches {pattern!r}: give part of a name.{nearest(pattern, known)}")
    return found


@dataclass(frozen=True)
class ListedModel:
    """A network in the list, with its cost for one image; None if it does not support the size."""

    name: str
    source: Literal["residerm", "timm"]
    size: int
    classes: int
    parameters: int | None
    multiply_adds: int | None


def list_models(
    pattern: str | None = None, *, size: int = 64, classes: int = 7, progress: Progress = SILENT
) -> list[ListedModel]:
    """List residerm's own networks, or all that match a pattern, with their cost."""
    names, models = find_models(pattern) if pattern else list(OWN), []
    for done, name in enumerate(names, start=1):
        cost = measure(name, classes, size)
        costs = (cost.parameters, cost.multiply_adds) if cost else (None, None)
        models.append(ListedModel(name, "residerm" if is_own(name) else "timm", size, classes, *costs))
        progress.advance("counting", done, len(names), unit="models")
    return models


def build(
    name: str,
    classes: int,
    size: int,
    *,
    resnet: ResNetOptions = AS_PUBLISHED,
    pretrained: Pretrained | None = None,
) -> Model:
    """Build a model by name for square images of `size` pixels, with pretrained weights if given, else random ones."""
    cost = measure(name, classes, size, resnet)
    if cost is None:
        raise UsageError(_wrong_size(name, classes, size, resnet))
    _require_room(name, cost.parameters)
    if pretrained is None:
        return _model(network(name, classes, size, resnet), name, classes, size)
    own = is_own(name)
    model = _model(network(name, classes, size, resnet, None if own else pretrained.file), name, classes, size)
    model.set_colours(pretrained.mean, pretrained.deviation)
    if own:
        load_weights(model, pretrained.file)
    return model


def build_for(
    weights: Mapping[str, Tensor], name: str, classes: int, size: int, *, resnet: ResNetOptions = AS_PUBLISHED
) -> Model:
    """Build a model by name with the given weights; RuntimeError if they belong to another network.

    The size is not checked, because the weights are from a model that supports it, and residerm's own networks are not
    initialised first, which makes reading a file much faster.
    """
    require(name)  # which imports timm, if need be, before all new tensors are shapes without memory
    with torch.device("meta"), ShapesAlone():
        bare = network(name, classes, size, resnet)
    if not is_own(name):
        _require_shapes(bare, weights)
        bare = network(name, classes, size, resnet)
    bare.load_state_dict(weights, assign=True)
    return _model(bare, name, classes, size)


def _require_shapes(bare: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Compare the shapes of network and weights before memory is allocated, because the name is not trusted."""
    own = {key: value.shape for key, value in bare.state_dict().items()}
    if own != {key: value.shape for key, value in weights.items()}:
        raise RuntimeError("the weights are of another network")


def _require_room(name: str, parameters: int) -> None:
    """Raise `UsageError` if the weights do not fit in memory; otherwise the system would kill the process."""
    if not hasattr(os, "sysconf"):
        return
    here, needed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), _BYTES * parameters
    if needed > here:
        raise UsageError(
            f"`model={name}`: its {parameters:,} weights need {needed / 1e9:,.0f} GB of memory, and this machine has "
            f"{here / 1e9:,.0f} GB: choose a smaller network"
        )


def _model(bare: nn.Module, name: str, classes: int, size: int) -> Model:
    return Model(bare, name=name, classes=classes, size=size, classifier=classifier_of(bare))


def _wrong_size(name: str, classes: int, size: int, resnet: ResNetOptions) -> str:
    """The error message with the next supported size, searched in steps and then between them."""
    steps = range(size - size % _STEP + _STEP, _LARGEST + 1, _STEP)
    step = next((step for step in steps if measure(name, classes, step, resnet)), None)
    if step is None:
        return f"`size={size}`: {name} does not support this size, nor any larger one up to {_LARGEST} px"
    between = range(max(size, step - _STEP) + 1, step)
    smallest = next((side for side in between if measure(name, classes, side, resnet)), step)
    return f"{name} does not support images of {size} px: give `size={smallest}`, the next size that works"
