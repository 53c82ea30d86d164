"""PyTorch as it is, on the CPU or a GPU: it runs any run or bundle, and needs no export."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from residerm.inference.precision import choose_precision, exact_float32
from residerm.inference.runtimes import Classifier
from residerm.outputs import Outputs

if TYPE_CHECKING:
    from residerm.models.ensemble import Ensemble
    from residerm.models.model import Model


class TorchRuntime:
    """A network in PyTorch. The model that is given stays as it is: layers are fused in a copy."""

    name = "torch"

    def __init__(
        self,
        model: Model | Ensemble,
        *,
        precision: str = "float32",
        device: str | None = None,
        threads: int | None = None,
    ) -> None:
        """A CUDA device is used where there is one; `threads` holds for all of PyTorch in this process."""
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.precision = choose_precision(precision, self._device.type)
        self.classifier = classifier_of(model)
        network = _fused(AllOutputs(model).eval())
        self._network = network.to(self._device).to(memory_format=torch.channels_last).eval()

    def run(self, pixels: np.ndarray, maps: bool) -> Outputs:
        """The outputs of images (n, size, size, 3) uint8; the maps only if asked for."""
        bf16 = self.precision == "bf16"
        arithmetic = torch.autocast(self._device.type, torch.bfloat16) if bf16 else exact_float32()
        with torch.inference_mode(), arithmetic:
            images = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device).permute(0, 3, 1, 2)
            logits, features, found = self._network(images)
        return Outputs(
            _array(logits),
            None if features is None else _array(features),
            _array(found) if maps and found is not None else None,
        )


class AllOutputs(nn.Module):
    """A model whose forward gives all three outputs."""

    def __init__(self, model: Model | Ensemble) -> None:
        super().__init__()
        self.model = model
        _ = model.features  # found out now: nothing is compared while layers are traced

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Logits (n, classes), features (n, d) and maps (n, h, w, d) of images (n, 3, size, size)."""
        return self.model.outputs(images)


def _fused(network: nn.Module) -> nn.Module:
    """A copy with normalisations inside the convolutions before them, which is a sixth faster."""
    from torch.fx.experimental.optimization import fuse

    try:
        fused: nn.Module = fuse(network)
    except Exception:  # networks have no common way to say that they cannot be traced
        import copy

        return copy.deepcopy(network)
    return fused


def classifier_of(model: Model | Ensemble) -> Classifier | None:
    """Weight and bias of the linear layer behind the mean of the maps; None where there is none."""
    layer = model.linear
    if layer is None:
        return None
    bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias
    return _array(layer.weight), _array(bias)


def _array(values: Tensor) -> np.ndarray:
    array: np.ndarray = values.detach().float().cpu().numpy()
    return array
