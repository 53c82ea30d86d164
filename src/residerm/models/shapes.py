"""Networks on the meta device: shapes without memory, and without the work that changes no shape.

PyTorch draws random numbers and takes batch normalisations apart in Python there. The first imports its compiler, two
seconds at the start of a prediction; the second was a third of the time of a long list of models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from typing_extensions import override

_IN_PLACE = frozenset({Tensor.normal_, Tensor.uniform_})
_NORMALISED = frozenset({torch.batch_norm, torch.nn.functional.batch_norm})


class ShapesAlone(TorchFunctionMode):
    """Random weights are not drawn, and activations not normalised; used together with `torch.device("meta")`."""

    @override
    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[Any], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in _IN_PLACE:
            return args[0]
        if func in _NORMALISED:
            return torch.empty_like(args[0])
        return func(*args, **kwargs or {})
