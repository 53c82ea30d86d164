"""Load weights from a file into a model: either all of them fit, or an error lists those that do not.

The only exception is the classifier: if the file has it for other classes, or not at all, the model keeps its own, with
a remark. Files are safetensors, or a state dict or checkpoint saved by torch.save; nothing in them is executed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor

from residerm.errors import ResidermError, UsageError, listed, system_reason
from residerm.models.model import Model


class WeightsError(ResidermError):
    """A file of weights cannot be read, or does not fit the network."""


def load_weights(model: Model, path: Path) -> str | None:
    """Load the weights in a file into the model; returns a remark if the classifier is not loaded."""
    return put_weights(model, read_weights(path), str(path))


def put_weights(model: Model, weights: dict[str, Tensor], source: str) -> str | None:
    """Load weights into the model; returns a remark if the classifier of `source` is not loaded."""
    own = model.network.state_dict()
    classifier = [key for key in own if model.is_classifier(key)]
    remark = None
    if any(key not in weights or weights[key].shape != own[key].shape for key in classifier):
        remark = f"{_classifier_of(weights, classifier, source)}: the model keeps a new one for {model.classes} classes"
        for key in classifier:
            weights.pop(key, None)
            own.pop(key)
    misfits = "; ".join(_misfits(weights, own))
    if misfits:
        raise WeightsError(f"{source} does not fit {model.name}: {misfits}")
    model.network.load_state_dict(weights, strict=False)
    return remark


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the state dict in a file; from a checkpoint, the averaged weights (EMA) if it has them."""
    from timm.models import clean_state_dict, load_state_dict

    if not path.is_file():
        raise UsageError(f"`weights={path}` does not exist")
    try:
        if path.suffix == ".safetensors":
            weights = clean_state_dict(read_tensors(path))
        else:
            weights = load_state_dict(str(path), weights_only=True)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {system_reason(error)}") from error
    except Exception as error:  # a damaged file raises various exceptions
        raise unreadable(path) from error
    strangers = [key for key, value in weights.items() if not isinstance(value, Tensor)]
    if strangers or not weights:
        found = f"holds {listed(strangers)}" if strangers else "is empty"
        raise WeightsError(f"{path} {found} instead of a state dict: give a file with only the network's weights")
    return weights


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The memory-mapped tensors of a safetensors file.

    The library cannot open a path that is not UTF-8; such a file is read into memory.
    """
    from safetensors.torch import load, load_file

    try:
        str(path).encode()
    except UnicodeEncodeError:
        return load(path.read_bytes())
    return load_file(path)


def unreadable(path: Path) -> WeightsError:
    """The error for a file that does not contain weights."""
    return WeightsError(
        f"{path} cannot be read as weights: it is truncated, of another type, or contains Python objects, which could "
        "run code and are refused. Give a safetensors file or a state dict saved with torch.save; delete a file from "
        "the hub to download it again"
    )


def _classifier_of(weights: Mapping[str, Tensor], classifier: list[str], source: str) -> str:
    classes = next((len(weights[key]) for key in classifier if key in weights and weights[key].ndim), None)
    return f"{source} has no classifier" if classes is None else f"the classifier in {source} is for {classes} classes"


def _misfits(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Iterator[str]:
    """Missing, unknown and reshaped tensors; BatchNorm's counters may be missing, as in old files."""
    if missing := [key for key in own if key not in weights and not key.endswith(".num_batches_tracked")]:
        yield f"missing: {listed(missing)}"
    if unknown := [key for key in weights if key not in own]:
        yield f"unknown: {listed(unknown)}"
    shapes = [(key, _shape(weights[key]), _shape(own[key])) for key in weights if key in own]
    if reshaped := [f"{key} ({there}, not {here})" for key, there, here in shapes if there != here]:
        yield f"of another shape: {listed(reshaped)}"


def _shape(tensor: Tensor) -> str:
    return "x".join(str(extent) for extent in tensor.shape) or "a number"
