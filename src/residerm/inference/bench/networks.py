"""What is measured: networks by name, with random weights, or trained models with their exports.

    find_networks(["resnet50", "runs/RUN", "exports/lite0-bf16"], sizes=None)

A run comes with the exports in its own folder. An exported bundle is measured with the run or bundle that it came from,
if that is given too, or else with the network of that name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from residerm.description import ModelDescription
from residerm.errors import UsageError
from residerm.inference.bundle import find_bundle, read_description, read_network
from residerm.inference.exported import exports_of, is_exported, read_parity
from residerm.inference.parity import ParityRecord

if TYPE_CHECKING:
    from residerm.models.ensemble import Ensemble
    from residerm.models.model import Model

_CLASSES = 7
_SIZES = (64, 128, 224)


@dataclass(frozen=True)
class Export:
    """An exported bundle that has passed the check of parity."""

    folder: Path
    description: ModelDescription
    parity: ParityRecord


@dataclass
class Network:
    """A network, or a trained model with its exports, and the image sizes at which it is measured."""

    name: str
    sizes: tuple[int, ...]
    description: ModelDescription | None = None  # None: a network by name
    weights: Path | None = None  # its bundle in torch
    exports: list[Export] = field(default_factory=list)

    @property
    def reduced(self) -> list[Export]:
        """The exports whose precision is not float32."""
        return [one for one in self.exports if one.parity.precision != "float32"]

    @property
    def passed(self) -> dict[str, str]:
        """The runtimes of these exports, each with the measurements of its parity."""
        return {
            f"{one.runtime} {export.parity.precision}": (
                f"{export.folder}, at {export.description.pixels.size} px: {export.parity.explained}"
            )
            for export in self.reduced
            for one in export.parity.measured
        }

    def build(self, size: int) -> Model | Ensemble:
        """The network in torch, with its own weights at its own size and otherwise with random ones."""
        import torch

        from residerm.models.zoo import build

        described = self.description
        if described and self.weights and size == described.pixels.size:
            return read_network(self.weights)[0]
        torch.manual_seed(0)
        if described is None:
            return build(self.name, _CLASSES, size).eval()
        if described.members > 1:
            raise UsageError(
                f"{self.name} is an ensemble, which is measured only as a bundle in torch and at its own size, "
                f"`sizes={described.pixels.size}`"
            )
        return build(described.model, len(described.classes), size, resnet=described.resnet).eval()


def find_networks(models: Iterable[str | Path], sizes: Sequence[int] | None) -> list[Network]:
    """What some names and paths stand for; exported bundles join the network with the same description."""
    from residerm.models.networks import require

    found = list[Network]()
    for name in map(str, models):
        if not Path(name).exists() and name != "starter":
            require(name)
            found.append(Network(name, tuple(sizes or _SIZES)))
            continue
        described = read_description(Path(name))
        network = next((one for one in found if one.description and _alike(one.description, described)), None)
        if network is None:
            network = Network(name, tuple(sizes or [described.pixels.size]), described)
            found.append(network)
        _add(network, Path(name), described)
    return found


def _add(network: Network, path: Path, described: ModelDescription) -> None:
    folder = find_bundle(path)
    if is_exported(folder):
        network.exports.append(Export(folder, described, read_parity(folder, described)))
        return
    network.name, network.weights = str(path), folder
    for own in exports_of(path):
        _add(network, own, read_description(own))


def _alike(one: ModelDescription, other: ModelDescription) -> bool:
    """Whether two descriptions are of the same network; its calibration may differ."""
    return one.model_copy(update={"trust": None}) == other.model_copy(update={"trust": None})
