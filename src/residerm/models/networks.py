"""Create networks by name: residerm's own, and those of timm.

    resnet18, 34, 50, 101, 152     for images of 224 px; timm's and torchvision's weights fit
    resnet20, 32, 44, 56, 110      for images of 32 px
    resnet-basic-2-2-2-2           any other depth, by the number of blocks in three or four stages; or bottleneck
    cnn, logistic                  the paper's other models
    vgg19, densenet121, …          timm's; a tag, as in resnet50.tv_in1k, selects the pretrained weights

If both have a network of the same name, it is residerm's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import nn

from residerm.config import ResNetOptions
from residerm.errors import UsageError, listed, nearest
from residerm.models.cnn import ConvolutionalNetwork
from residerm.models.logistic import LogisticRegression
from residerm.models.pretrained import about
from residerm.models.resnet import PUBLISHED, Kind, ResNet
from residerm.models.weights import unreadable

_BY_DEPTH = MappingProxyType({f"resnet{depth}": blocks for depth, blocks in PUBLISHED.items()})
_BY_SIZE: Mapping[str, Callable[[int, int], nn.Module]] = MappingProxyType(
    {"cnn": ConvolutionalNetwork, "logistic": LogisticRegression}
)
_BY_BLOCKS = re.compile(r"resnet-(basic|bottleneck)((?:-[1-9]\d{0,3}){3,4})")

_MOST_BLOCKS = 1000  # of a ResNet in all; ResNet-1202 has 600

AS_PUBLISHED = ResNetOptions()
OWN = (*_BY_DEPTH, *_BY_SIZE)


def network(
    name: str, classes: int, size: int, resnet: ResNetOptions = AS_PUBLISHED, file: Path | None = None
) -> nn.Module:
    """Create the network for normalised images of `size` pixels; for timm, with the pretrained weights in `file`.

    If it does not support the size, it raises its own exception here or when it is called.
    """
    require(name)
    if classes < 1 or size < 1:
        raise UsageError(f"a model needs at least one class and one pixel, not {classes} classes and {size} pixels")
    architecture, _, tag = name.partition(".")
    if blocks := _blocks(architecture):
        if tag and about(name) is None:
            raise UsageError(f"`model={name}`: there are no weights for {architecture}, so {tag!r} does not exist")
        return ResNet(*blocks, classes, **resnet.model_dump())
    if changed := [field for field, value in resnet if value != getattr(AS_PUBLISHED, field)]:
        flags = listed(f"`{field}`" for field in changed)
        raise UsageError(f"{flags}: only residerm's own ResNets have this, and {name} is not one of them")
    return _BY_SIZE[name](classes, size) if name in _BY_SIZE else _from_timm(name, classes, size, file)


def is_own(name: str) -> bool:
    """Whether a name is one of residerm's own networks."""
    return name in _BY_SIZE or _blocks(name.partition(".")[0]) is not None


def classifier_of(bare: nn.Module) -> tuple[str, ...]:
    """The names of the last layers of a network."""
    if isinstance(bare, ResNet | ConvolutionalNetwork | LogisticRegression):
        return (bare.classifier,)
    of_timm: Any = bare
    last = of_timm.get_classifier()
    wanted = last if isinstance(last, tuple | list) else (last,)
    return tuple(name for name, module in bare.named_modules() if any(module is one for one in wanted))


def require(name: str) -> None:
    """Raise `UsageError` for an unknown name."""
    if is_own(name):
        return
    import timm

    if not timm.is_model(name):
        raise UsageError(f"`model={name}` does not exist.{nearest(name, known_names())}")


def known_names() -> list[str]:
    """All names, except those that specify their blocks."""
    import timm

    return [*OWN, *(name for name in timm.list_models() if name not in OWN)]


def _blocks(architecture: str) -> tuple[Kind, tuple[int, ...]] | None:
    """The kind and numbers of a ResNet's blocks; None if it is not one of residerm's."""
    if architecture in _BY_DEPTH:
        return _BY_DEPTH[architecture]
    if spelt := _BY_BLOCKS.fullmatch(architecture):
        kind: Kind = "basic" if spelt[1] == "basic" else "bottleneck"
        blocks = tuple(int(count) for count in spelt[2][1:].split("-"))
        if sum(blocks) > _MOST_BLOCKS:
            raise UsageError(f"`model={architecture}` has {sum(blocks):,} blocks; the limit is {_MOST_BLOCKS:,}")
        return kind, blocks
    return None


def _from_timm(name: str, classes: int, size: int, file: Path | None) -> nn.Module:
    import timm

    known = about(name)
    create = partial(timm.create_model, name, num_classes=classes)
    if known and known.fixed_input_size:
        create = partial(create, img_size=size)
    if file is None:
        return create()
    try:
        return create(pretrained=True, pretrained_cfg_overlay={"file": str(file)})
    except Exception as error:  # a damaged file raises various exceptions
        raise unreadable(file) from error
