"""A model as a training begins with it: with random or pretrained weights, those of a file, or those of another run.

    start = begin(ModelOptions(model="resnet50", weights=Path("runs/20260101-…")), classes=2, size=64)

What a run or a bundle was trained on travels with it: its colours are taken over, and its licence is said. Where its
classes are others, the model has a new classifier.
"""

from __future__ import annotations

from residerm.config import ModelOptions, ResNetOptions
from residerm.description import ModelDescription
from residerm.errors import UsageError, listed
from residerm.inference.bundle import WEIGHTS, find_bundle, read_description
from residerm.models import start as models
from residerm.models.start import Start

_SHAPE = ("stem", "width", "shortcut", "preactivation")  # of a ResNet: what changes its layers


def begin(options: ModelOptions, classes: tuple[str, ...], size: int, resnet: ResNetOptions) -> Start:
    """Build the model and give it its first weights."""
    if options.weights is None or not options.weights.is_dir():
        return models.begin(options, len(classes), size, resnet)
    description = read_description(options.weights)
    _refuse_another_architecture(options, resnet, description)
    file = find_bundle(options.weights) / WEIGHTS
    start = models.begin(options.model_copy(update={"weights": file}), len(classes), size, resnet)
    start.model.set_colours(description.mean, description.deviation)
    remarks = [f"weights: {options.weights}, trained on {description.archive}, licence {description.data_licence}"]
    if not start.new_classifier and description.classes != classes:
        start.model.clear_classifier()
        remarks.append(f"its classes are others ({listed(description.classes)}): the model has a new classifier")
    kept = options.model_copy(update={"weights": options.weights.absolute()})  # to resume from another folder
    return Start(start.model, kept, start.resnet, (*remarks, *start.remarks), start.new_classifier)


def _refuse_another_architecture(options: ModelOptions, resnet: ResNetOptions, description: ModelDescription) -> None:
    if description.model != options.model:
        raise UsageError(
            f"weights: {options.weights} holds a {description.model}, not a {options.model}: "
            f"give model {description.model}, or weights of a {options.model}"
        )
    if changed := [name for name in _SHAPE if getattr(description.resnet, name) != getattr(resnet, name)]:
        theirs = listed(f"{name} {getattr(description.resnet, name)}" for name in changed)
        raise UsageError(f"weights: {options.weights} holds a {options.model} with {theirs}: give the same options")
