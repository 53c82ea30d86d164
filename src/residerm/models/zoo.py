"""Any model by its name.

    model = build("resnet50", classes=7, size=64)
    logits = model(images)         images: RGB of 0 to 255, uint8 or floating-point, (n, 3, 64, 64)

The names are explained in networks.py. A size that the network does not run on is refused with the next one that it
does run on.
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
_STEP = 32  # nearly every network runs on its multiples, from some size on


def find(pattern: str) -> list[str]:
    """The names that contain a text, or that a pattern with * or ? describes; residerm's own come first.

    A name that spells out its blocks is in no list, and is found when it is given whole.
    """
    if is_own(pattern) and pattern not in OWN:
        return [pattern]
    wanted = pattern.lower() if set("*?") & set(pattern) else f"*{pattern.lower()}*"
    known = known_names()
    found = [name for name in known if fnmatchcase(name, wanted)]
    if not found:
        raise UsageError(f"no model is named like {pattern!r}: give a part of a name.{nearest(pattern, known)}")
    return found


@dataclass(frozen=True)
class ListedModel:
    """A network in the list, with its cost for one image; None where it does not run on images of that size."""

    name: str
    source: Literal["residerm", "timm"]
    size: int
    classes: int
    parameters: int | None
    multiply_adds: int | None


def list_models(
    pattern: str | None = None, *, size: int = 64, classes: int = 7, progress: Progress = SILENT
) -> list[ListedModel]:
    """Our own networks, or those that match a pattern, with their cost."""
    names, models = find(pattern) if pattern else list(OWN), []
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
    """The model of a name for square images of `size` pixels; random weights where there are no pretrained ones."""
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
    """The model of a name with all its weights; RuntimeError where they are another network's.

    They were saved of a model that ran on that size, so that this is not tried again, and residerm's own networks draw
    no weights only to lose them: a file is read in a fraction of the time.
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
    """Compare a network's shapes with those of weights before it takes any memory: whoever named it may be anybody."""
    own = {key: value.shape for key, value in bare.state_dict().items()}
    if own != {key: value.shape for key, value in weights.items()}:
        raise RuntimeError("the weights are those of another network")


def _require_room(name: str, parameters: int) -> None:
    """Refuse a network whose weights alone would fill the memory: the system would end the process without a word."""
    if not hasattr(os, "sysconf"):
        return
    here, needed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), _BYTES * parameters
    if needed > here:
        raise UsageError(
            f"`model={name}`: its {parameters:,} weights take {needed / 1e9:,.0f} GB of memory, and this machine has "
            f"{here / 1e9:,.0f} GB: choose a smaller network"
        )


def _model(bare: nn.Module, name: str, classes: int, size: int) -> Model:
    return Model(bare, name=name, classes=classes, size=size, classifier=classifier_of(bare))


def _wrong_size(name: str, classes: int, size: int, resnet: ResNetOptions) -> str:
    """The message with the next size on which the network runs, found in steps and then between them."""
    steps = range(size - size % _STEP + _STEP, _LARGEST + 1, _STEP)
    step = next((step for step in steps if measure(name, classes, step, resnet)), None)
    if step is None:
        return f"`size={size}`: {name} does not run on such images, nor on any larger ones up to {_LARGEST} px"
    between = range(max(size, step - _STEP) + 1, step)
    smallest = next((side for side in between if measure(name, classes, side, resnet)), step)
    return f"{name} does not run on images of {size} px: give `size={smallest}`, the smallest found that works"
