"""Create the initial model of a training: with random or pretrained weights, or those of a file or another run.

    start = make_initial_model(ModelOptions(model="resnet50", weights=Path("runs/20260101-…")), classes=2, size=64)

From another run or bundle, the colour normalisation is used too, and a remark names the licence of its data. If its
classes are different, the model has a new classifier.
"""

from __future__ import annotations

from residerm.config import ModelOptions, ResNetOptions
from residerm.description import ModelDescription
from residerm.errors import UsageError, listed
from residerm.inference.bundle import WEIGHTS, find_bundle, read_description
from residerm.models import start as models
from residerm.models.start import InitialModel

_SHAPE = ("stem", "width", "shortcut", "preactivation")  # of a ResNet: what changes its layers


def make_initial_model(
    options: ModelOptions, classes: tuple[str, ...], size: int, resnet: ResNetOptions
) -> InitialModel:
    """Build the model with its initial weights."""
    if options.weights is None or not options.weights.is_dir():
        return models.build_initial_model(options, len(classes), size, resnet)
    description = read_description(options.weights)
    _refuse_another_architecture(options, resnet, description)
    file = find_bundle(options.weights) / WEIGHTS
    start = models.build_initial_model(options.model_copy(update={"weights": file}), len(classes), size, resnet)
    start.model.set_colours(description.mean, description.deviation)
    remarks = [f"weights: {options.weights}, trained on {description.archive}, licence {description.data_licence}"]
    if not start.new_classifier and description.classes != classes:
        start.model.clear_classifier()
        remarks.append(f"its classes are different ({listed(description.classes)}): the model has a new classifier")
    kept = options.model_copy(update={"weights": options.weights.absolute()})  # to resume from another folder
    return InitialModel(start.model, kept, start.resnet, (*remarks, *start.remarks), start.new_classifier)


def _refuse_another_architecture(options: ModelOptions, resnet: ResNetOptions, description: ModelDescription) -> None:
    if description.model != options.model:
        raise UsageError(
            f"`weights={options.weights}` is a {description.model}, not a {options.model}: "
            f"give `model={description.model}`, or weights of a {options.model}"
        )
    if changed := [name for name in _SHAPE if getattr(description.resnet, name) != getattr(resnet, name)]:
        theirs = listed(f"`{name}={getattr(description.resnet, name)}`" for name in changed)
        raise UsageError(f"`weights={options.weights}` is a {options.model} with {theirs}: give the same options")
