"""The stages of a network: for each resolution of its feature maps, the last of the outermost modules that produce it.

    stages(model)      {"bn1": 32, "layer1": 16, "layer2": 8, "layer3": 4, "layer4": 2}      of a ResNet-50 for 64 px

They are found by running the network once, so this works for any network of timm, with the names of its own modules.
Maps of a single position are left out.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

import torch
from torch import nn

from residerm.errors import UsageError, listed
from residerm.models import Model


def stages(model: Model) -> dict[str, int]:
    """The name and resolution of each stage, from the first to the last."""
    found: list[tuple[str, int]] = []
    handles = [
        module.register_forward_hook(partial(_note, found, name))
        for name, module in model.network.named_modules()
        if name and not isinstance(module, nn.Identity)
    ]
    device = next(model.parameters()).device
    try:
        with torch.no_grad():
            model(torch.zeros(1, 3, model.size, model.size, device=device))
    finally:
        for handle in handles:
            handle.remove()
    times = Counter(name for name, _ in found)  # a module that runs twice is not a stage
    ordered = sorted(found, key=lambda one: -one[0].count("."))  # outermost last, otherwise in order of execution
    last = {side: name for name, side in ordered if side and times[name] == 1}
    return {name: side for side, name in sorted(last.items(), reverse=True)}


def require_stage(model: Model, stage: str | None) -> str:
    """Check the name of a stage; None selects the last one."""
    known = stages(model)
    if not known:
        raise UsageError(f"{model.name} has no feature maps at any stage: use the method occlusion or integrated")
    if stage is not None and stage not in known:
        sides = listed((f"{name} ({side}x{side})" for name, side in known.items()), most=8)
        raise UsageError(f"`stage={stage}`: {model.name} has the stages {sides}")
    return stage or list(known)[-1]


def _note(found: list[tuple[str, int]], name: str, _: nn.Module, __: object, output: object) -> None:
    if not isinstance(output, torch.Tensor):
        return
    maps = output.dim() == 4 and output.shape[2] == output.shape[3] > 1
    found.append((name, int(output.shape[2]) if maps else 0))
