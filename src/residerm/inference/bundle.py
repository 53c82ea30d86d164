"""A bundle on disk: `model.safetensors`, the weights; `trust.npz`; and `model.json`, the description, written last."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from residerm.errors import UsageError
from residerm.files import new_folder
from residerm.inference.description import ModelDescription
from residerm.inference.validation import BundleError, read_small_file, require_sound_weights
from residerm.trust import Trust

if TYPE_CHECKING:
    from residerm.models.model import Model

__all__ = [
    "BundleError",
    "find_bundle",
    "read_bundle",
    "read_description",
    "read_trust",
    "replace_trust",
    "write_bundle",
]

WEIGHTS, TRUST, DESCRIPTION = "model.safetensors", "trust.npz", "model.json"


def write_bundle(
    model: Model, description: ModelDescription, folder: Path, trust: Trust | None = None, *, replace: bool = False
) -> Path:
    """Write a bundle into a new folder, or in place of one of residerm's own.

    What the model gives besides logits is written into its description.
    """
    from safetensors.torch import save

    description = _completed(description, model).model_copy(update={"trust": trust and trust.summary})
    weights = {key: value.contiguous() for key, value in model.network.state_dict().items()}
    with new_folder(folder, replace=replace) as partial:
        # Not by save_file, which hides what the disk complains of.
        (partial / WEIGHTS).write_bytes(save(weights, metadata={"model": description.model}))
        if trust:
            trust.save(partial / TRUST)
        (partial / DESCRIPTION).write_text(description.model_dump_json(indent=2) + "\n")
    return folder


def replace_trust(source: Path, target: Path, trust: Trust) -> Path:
    """Write a bundle like another one, whatever runtime it is for, with this trust, into a new folder."""
    description = read_description(source).model_copy(update={"trust": trust.summary})
    with new_folder(target) as partial:
        for file in source.iterdir():
            if file.name not in (TRUST, DESCRIPTION) and file.is_file():
                shutil.copyfile(file, partial / file.name)
        trust.save(partial / TRUST)
        (partial / DESCRIPTION).write_text(description.model_dump_json(indent=2) + "\n")
    return target


def find_bundle(path: Path) -> Path:
    """The bundle at a path: the folder itself, or that of a run."""
    for folder in (path, path / "bundle"):
        if (folder / DESCRIPTION).is_file():
            return folder
    raise UsageError(f"{path} holds no model: MODEL is a finished run, or a folder with {WEIGHTS} and {DESCRIPTION}")


def read_description(path: Path) -> ModelDescription:
    """What the model of a bundle or a run says of itself, without its weights."""
    folder = find_bundle(path)
    try:
        return ModelDescription.model_validate_json(read_small_file(folder / DESCRIPTION))
    except ValidationError as error:
        raise _damaged(folder, _first_complaint(error)) from error


def read_trust(path: Path) -> Trust | None:
    """What was fitted to judge the model's answers; None for a bundle without it."""
    folder, description = find_bundle(path), read_description(path)
    if not (folder / TRUST).exists():
        return None
    if not (folder / TRUST).is_file():
        raise BundleError(f"{folder / TRUST} is not a regular file; the bundle is damaged")
    trust = Trust.load(folder / TRUST)
    if trust.classes != description.classes:
        raise BundleError(f"{folder / TRUST} was fitted for other classes than those of {DESCRIPTION}")
    return trust


def read_bundle(path: Path) -> tuple[Model, ModelDescription]:
    """The model of a bundle or a run, in evaluation, and its description."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from residerm.models.zoo import build_for

    folder, description = find_bundle(path), read_description(path)
    if not (folder / WEIGHTS).is_file():  # a pipe would wait for ever
        raise BundleError(f"{folder / WEIGHTS} is missing, or is not a regular file; the bundle is damaged")
    try:
        weights = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise _damaged(folder, str(error)) from error
    require_sound_weights(weights, folder / WEIGHTS)
    classes, size = len(description.classes), description.pixels.size
    try:
        model = build_for(weights, description.model, classes, size, resnet=description.resnet)
    except RuntimeError as error:
        raise BundleError(f"{folder}: the weights do not fit {description.model}; the bundle is damaged") from error
    model.set_colours(description.mean, description.deviation)
    return model.eval(), _completed(description, model)  # of format 1, which did not say what the model gives


def _completed(description: ModelDescription, model: Model) -> ModelDescription:
    """The description with what the model gives besides logits."""
    head = model.head
    linear = head.linear(model.network) is not None
    return description.model_copy(
        update={"format": 2, "features": head.features, "maps": head.maps is not None, "linear_classifier": linear}
    )


def _first_complaint(error: ValidationError) -> str:
    """The first thing that is wrong with a description, after the name of its field."""
    wrong = error.errors(include_url=False)[0]
    where = ".".join(map(str, wrong["loc"]))
    return f"{DESCRIPTION}: {where}{': ' * bool(where)}{wrong['msg'].removeprefix('Value error, ')}"


def _damaged(folder: Path, reason: str) -> BundleError:
    first_line = reason.partition("\n")[0]
    return BundleError(f"{folder} is damaged or of another version of residerm ({first_line})")
