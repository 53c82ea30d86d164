"""Create the initial model of a training: by name, with its initial weights, frozen or not.

start = build_initial_model(ModelOptions(model="resnet50", pretrained=True, backbone_rate=0.1), classes=7, size=64)
groups = start.model.parameter_groups(start.options.backbone_rate)
"""

from __future__ import annotations

from dataclasses import dataclass

from residerm.config import ModelOptions, ResNetOptions
from residerm.errors import UsageError
from residerm.models.model import Model
from residerm.models.networks import AS_PUBLISHED, is_own
from residerm.models.pretrained import find_pretrained
from residerm.models.resnet import ResNet
from residerm.models.weights import load_weights, put_weights
from residerm.models.wheels import DEVIATION, MEAN, Wheel, find_wheel, wheel_weights
from residerm.models.zoo import build


@dataclass(frozen=True)
class InitialModel:
    """A model, the options in effect (such as the commit of pretrained weights), and remarks."""

    model: Model
    options: ModelOptions
    resnet: ResNetOptions
    remarks: tuple[str, ...] = ()
    new_classifier: bool = True


def build_initial_model(
    options: ModelOptions, classes: int, size: int, resnet: ResNetOptions = AS_PUBLISHED
) -> InitialModel:
    """Build the model, load its weights, and freeze its backbone if requested."""
    _check(options)
    if options.pretrained:
        start = _build_pretrained(options, classes, size, resnet)
    else:
        start = _build_unpretrained(options, classes, size, resnet)
    if start.new_classifier and not is_own(options.model):
        start.model.clear_classifier()
    if options.freeze_backbone:
        start.model.freeze_backbone()
    return start


def _build_pretrained(options: ModelOptions, classes: int, size: int, resnet: ResNetOptions) -> InitialModel:
    if wheel := find_wheel(options.model):
        return _build_from_wheel(wheel, options, classes, size, resnet)
    pretrained = find_pretrained(options.model, options.revision)
    model = build(options.model, classes, size, resnet=resnet, pretrained=pretrained)
    remarks = [f"weights: {pretrained.repository} at commit {pretrained.commit}, licence {pretrained.licence}"]
    if pretrained.classes != classes:
        remarks.append(f"their classifier is for {pretrained.classes} classes: the model has a new one for {classes}")
    options = options.model_copy(update={"revision": pretrained.commit})
    return InitialModel(model, options, resnet, tuple(remarks), new_classifier=pretrained.classes != classes)


def _build_from_wheel(
    wheel: Wheel, options: ModelOptions, classes: int, size: int, resnet: ResNetOptions
) -> InitialModel:
    if options.revision:
        raise UsageError(
            f"revision is a commit on the hub, but the weights of {options.model} come from the package "
            f"{wheel.package}: omit it, or use the weights of the hub, {options.model}.in1k"
        )
    model = build(options.model, classes, size, resnet=resnet)
    remark = put_weights(model, wheel_weights(wheel, model.network), wheel.title)
    model.set_colours(MEAN, DEVIATION)
    remarks = [f"weights: {wheel.title}, licence {wheel.licence}", *([remark] if remark else [])]
    return InitialModel(model, options, resnet, tuple(remarks), new_classifier=remark is not None)


def _build_unpretrained(options: ModelOptions, classes: int, size: int, resnet: ResNetOptions) -> InitialModel:
    """Create a model with random weights, or with those in a file."""
    model = build(options.model, classes, size, resnet=resnet)
    if options.weights:
        remark = load_weights(model, options.weights)
        return InitialModel(model, options, resnet, (remark,) if remark else (), new_classifier=remark is not None)
    if resnet.zero_init is None and isinstance(model.network, ResNet) and model.network.shortcut != "none":
        model.network.initialise_as_identity()
        resnet = resnet.model_copy(update={"zero_init": True})
    return InitialModel(model, options, resnet)


def _check(options: ModelOptions) -> None:
    if options.pretrained and options.weights:
        raise UsageError("`pretrained` and `weights` cannot be combined: give one of them")
    if options.revision and not options.pretrained:
        raise UsageError("`revision` is a commit of the pretrained weights: it requires `pretrained`")
    if options.freeze_backbone and not (options.pretrained or options.weights):
        raise UsageError("`freeze_backbone` would freeze random weights: it requires `pretrained` or `weights`")
