"""An ensemble of models: the mean of their probabilities, with their features and maps concatenated.

    ensemble = Ensemble([first, second])
    logits, features, maps = ensemble.outputs(images)

Each member normalises colours itself. The logits are the logarithms of the mean probabilities, so that a softmax
returns these; they are not a linear function of the features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from residerm.errors import UsageError
from residerm.models.model import Model


class Ensemble(nn.Module):
    """Models with the same classes for images of the same size."""

    linear: nn.Linear | None = None

    def __init__(self, members: Sequence[Model]) -> None:
        super().__init__()
        first = members[0]
        for member in members[1:]:
            if (member.classes, member.size) != (first.classes, first.size):
                raise UsageError(
                    f"an ensemble requires members with the same classes and size: {first.name} has {first.classes} "
                    f"classes at {first.size} px, {member.name} {member.classes} at {member.size} px"
                )
        self.members = nn.ModuleList(members)
        self.classes, self.size = first.classes, first.size
        features = [member.features for member in members]
        grids = {member.grid for member in members}
        self.features = sum(features) if all(features) else 0
        self.grid = grids.pop() if self.features and len(grids) == 1 else None

    def outputs(self, images: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Logits (n, classes), features (n, d) and maps (n, h, w, d) of images (n, 3, size, size)."""
        logits, features, maps = [], [], []
        for member in self.members:
            own = member.outputs(images)  # type: ignore[operator]
            logits.append(own[0])
            features.append(own[1])
            maps.append(own[2])
        mean = torch.stack([one.softmax(1) for one in logits]).mean(0)
        return (
            mean.clamp_min(torch.finfo(mean.dtype).tiny).log(),
            torch.cat(features, 1) if self.features else None,
            torch.cat(maps, 3) if self.grid else None,
        )
