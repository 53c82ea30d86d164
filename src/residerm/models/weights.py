"""Weights from a file into a model: all of them fit, or none is taken and the message lists what does not.

The one exception is the classifier: where the file has it for other classes, or not at all, the model keeps its own
and says so. Files are safetensors, or what torch.save wrote of a state dict or of a checkpoint that holds one;
nothing in them is executed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor

from residerm.errors import ResidermError, UsageError, explain, listed
from residerm.models.model import Model


class WeightsError(ResidermError):
    """A file of weights cannot be read, or does not fit the network."""


def load_weights(model: Model, path: Path) -> str | None:
    """Put the weights in a file into the model; a remark where the classifier is not taken from there."""
    return put_weights(model, read_weights(path), str(path))


def put_weights(model: Model, weights: dict[str, Tensor], source: str) -> str | None:
    """Put weights into the model; a remark where the classifier is not taken from `source`."""
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
    """The state dict in a file; of a checkpoint the averaged weights (EMA), where it has them."""
    from timm.models import clean_state_dict, load_state_dict

    if not path.is_file():
        raise UsageError(f"`weights={path}`: there is no such file")
    try:
        if path.suffix == ".safetensors":
            weights = clean_state_dict(read_tensors(path))
        else:
            weights = load_state_dict(str(path), weights_only=True)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {explain(error)}") from error
    except Exception as error:  # bytes that are no weights fail in as many ways as there are bytes
        raise unreadable(path) from error
    strangers = [key for key, value in weights.items() if not isinstance(value, Tensor)]
    if strangers or not weights:
        found = f"holds {listed(strangers)}" if strangers else "is empty"
        raise WeightsError(f"{path} {found} rather than a state dict: give a file with the network's weights alone")
    return weights


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, which stay on the disk until they are used.

    Its library opens no path that is not UTF-8: such a file is read whole.
    """
    from safetensors.torch import load, load_file

    try:
        str(path).encode()
    except UnicodeEncodeError:
        return load(path.read_bytes())
    return load_file(path)


def unreadable(path: Path) -> WeightsError:
    """The message for a file whose bytes are no weights."""
    return WeightsError(
        f"{path} cannot be read as weights: it is truncated, something else, or holds Python objects, which could "
        "run code and are refused. Give a safetensors file or a state dict saved with torch.save; delete one from the "
        "hub to have it fetched again"
    )


def _classifier_of(weights: Mapping[str, Tensor], classifier: list[str], source: str) -> str:
    classes = next((len(weights[key]) for key in classifier if key in weights and weights[key].ndim), None)
    return f"{source} has no classifier" if classes is None else f"the classifier in {source} is for {classes} classes"


def _misfits(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Iterator[str]:
    """What is missing, not known, or of another shape; BatchNorm's counters may be missing, as in old files."""
    if missing := [key for key in own if key not in weights and not key.endswith(".num_batches_tracked")]:
        yield f"it lacks {listed(missing)}"
    if unknown := [key for key in weights if key not in own]:
        yield f"the network has no {listed(unknown)}"
    shapes = [(key, _shape(weights[key]), _shape(own[key])) for key in weights if key in own]
    if reshaped := [f"{key} ({there}, not {here})" for key, there, here in shapes if there != here]:
        yield f"of another shape are {listed(reshaped)}"


def _shape(tensor: Tensor) -> str:
    return "x".join(str(extent) for extent in tensor.shape) or "a number"
