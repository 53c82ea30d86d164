"""PyTorch on the CPU or a GPU, for any run or bundle that is not exported."""

from __future__ import annotations

import threading
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
    """A network in PyTorch. Layers are fused in a copy; the given model is not changed."""

    name = "torch"

    def __init__(
        self,
        model: Model | Ensemble,
        *,
        precision: str = "float32",
        device: str | None = None,
        threads: int | None = None,
    ) -> None:
        """By default, a CUDA device is used if available; `threads` applies to all of PyTorch in this process."""
        if threads is not None:
            torch.set_num_threads(threads)
        self.threads = torch.get_num_threads()
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.precision = choose_precision(precision, self._device.type)
        self.classifier = classifier_of(model)
        network = _fused(AllOutputs(model).eval())
        self._lock = threading.Lock()  # calls at the same time would wait for each other's threads in every layer
        self._network = network.to(self._device).to(memory_format=torch.channels_last).eval()

    def run(self, pixels: np.ndarray, maps: bool, alone: bool = True) -> Outputs:  # noqa: ARG002
        """The outputs of images (n, size, size, 3) uint8; the maps only if asked for."""
        bf16 = self.precision == "bf16"
        arithmetic = torch.autocast(self._device.type, torch.bfloat16) if bf16 else exact_float32()
        with self._lock, torch.inference_mode(), arithmetic:
            images = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device).permute(0, 3, 1, 2)
            logits, features, found = self._network(images)
        return Outputs(
            _array(logits),
            None if features is None else _array(features),
            _array(found) if maps and found is not None else None,
        )


class AllOutputs(nn.Module):
    """A model whose forward returns logits, features and maps."""

    def __init__(self, model: Model | Ensemble) -> None:
        super().__init__()
        self.model = model
        _ = model.features  # computed now, because it cannot be traced

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Logits (n, classes), features (n, d) and maps (n, h, w, d) of images (n, 3, size, size)."""
        return self.model.outputs(images)


def _fused(network: nn.Module) -> nn.Module:
    """A copy with batch normalisations folded into the preceding convolutions, which is a sixth faster."""
    from torch.fx.experimental.optimization import fuse

    try:
        fused: nn.Module = fuse(network)
    except Exception:  # networks that cannot be traced raise various exceptions
        import copy

        return copy.deepcopy(network)
    return fused


def classifier_of(model: Model | Ensemble) -> Classifier | None:
    """Weight and bias of the linear layer after global average pooling; None if there is none."""
    layer = model.linear
    if layer is None:
        return None
    bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias
    return _array(layer.weight), _array(bias)


def _array(values: Tensor) -> np.ndarray:
    array: np.ndarray = values.detach().float().cpu().numpy()
    return array
