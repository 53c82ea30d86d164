"""A bundle on disk: a folder with a model, its description, and data that belongs to it.

    model.json           the description, which is written last
    model.safetensors    the weights; the members of an ensemble are bundles in members/0, members/1, …
    seen.npz             hashes of the images that were used for training or model selection
    trust.npz            calibration, prediction sets and abstention
    observed.json        the observed accuracy by confidence, if the model has no test part
    neighbours.npz       features, classes and ids of training images; optional

An exported bundle (see `exported`) has a graph instead of weights. Nothing in a bundle can run code.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from residerm.description import ModelDescription
from residerm.documents import newer_format
from residerm.errors import UsageError, shortened
from residerm.files import copy_folder, new_folder
from residerm.inference.neighbours import TrainingImages
from residerm.inference.observations import OBSERVED
from residerm.inference.seen import Seen
from residerm.inference.validation import BundleError, read_small_file, require_sound_weights
from residerm.trust import Trust

if TYPE_CHECKING:
    from residerm.models.ensemble import Ensemble
    from residerm.models.model import Model

__all__ = [
    "BundleError",
    "copy_bundle",
    "find_bundle",
    "join_members",
    "read_bundle",
    "read_description",
    "read_neighbours",
    "read_network",
    "read_seen",
    "read_seen_of_all",
    "read_trust",
    "replace_trust",
    "write_bundle",
    "write_description",
    "write_ensemble",
]

WEIGHTS, DESCRIPTION, MEMBERS = "model.safetensors", "model.json", "members"
TRUST, SEEN, NEIGHBOURS = "trust.npz", "seen.npz", "neighbours.npz"
STARTER = Path(__file__).parents[1] / "starter"  # the model that comes with residerm


def write_bundle(
    model: Model,
    description: ModelDescription,
    folder: Path,
    trust: Trust | None = None,
    seen: Seen | None = None,
    neighbours: TrainingImages | None = None,
    *,
    replace: bool = False,
) -> Path:
    """Write a bundle to a new folder, or replace an existing bundle.

    The description is completed with the other outputs of the model.
    """
    with new_folder(folder, replace=replace) as partial:
        _write(model, description.model_copy(update={"trust": trust and trust.summary}), partial)
        if trust:
            trust.save(partial / TRUST)
        if seen:
            seen.write(partial / SEEN)
        if neighbours:
            neighbours.write(partial / NEIGHBOURS)
    return folder


def replace_trust(source: Path, target: Path, trust: Trust, neighbours: TrainingImages | None = None) -> Path:
    """Copy a bundle of any runtime to a new folder, with another trust.

    Its training images are kept, unless other ones are given.
    """
    description = read_description(source).model_copy(update={"trust": trust.summary})
    with new_folder(target) as partial:
        _copy(source, partial, TRUST, DESCRIPTION, OBSERVED)  # the last is for the old calibration
        trust.save(partial / TRUST)
        if neighbours:
            neighbours.write(partial / NEIGHBOURS)
        write_description(description, partial)
    return target


def write_ensemble(members: Sequence[Path], folder: Path, trust: Trust | None = None) -> Path:
    """Write several bundles as an ensemble, which averages their probabilities; `trust` was fitted to that mean."""
    read = [read_bundle(member) for member in members]
    ensemble, description = _as_ensemble(read, members)
    description = description.model_copy(update={"trust": trust and trust.summary})
    with new_folder(folder) as partial:
        for number, member in enumerate(read):
            place = partial / MEMBERS / str(number)
            place.mkdir(parents=True)
            _write(*member, place)
        if trust:
            trust.save(partial / TRUST)
        if seen := read_seen_of_all(members):
            seen.write(partial / SEEN)
        write_description(_completed(description, ensemble), partial)
    return folder


def write_description(description: ModelDescription, folder: Path) -> None:
    """Write model.json."""
    (folder / DESCRIPTION).write_text(description.model_dump_json(indent=2) + "\n", encoding="utf-8")


def copy_bundle(path: Path, folder: Path) -> Path:
    """Copy a bundle, or the bundle of a run."""
    source = find_bundle(path)
    with new_folder(folder) as partial:
        _copy(source, partial)
    return folder


def _copy(source: Path, folder: Path, *omitted: str) -> None:
    """Copy a bundle without some of its files, and without its evaluations, which name its path and its trust."""
    from residerm.runs.evaluations import EVALUATIONS

    copy_folder(source, folder, frozenset((*omitted, EVALUATIONS)))


def join_members(members: Sequence[Path]) -> tuple[Ensemble, ModelDescription]:
    """Read several bundles as an ensemble, without writing it."""
    return _as_ensemble([read_bundle(member) for member in members], members)


def _as_ensemble(
    read: Sequence[tuple[Model, ModelDescription]], paths: Sequence[Path]
) -> tuple[Ensemble, ModelDescription]:
    from residerm.inference.ensemble import described_together

    return _joined([model for model, _ in read], described_together([one for _, one in read], paths))


def find_bundle(path: Path) -> Path:
    """The folder of a bundle: the path itself, or that of a run; `starter` is the model that comes with residerm."""
    if path == Path("starter") and not path.exists():
        path = STARTER
    for folder in (path, path / "bundle"):
        if (folder / DESCRIPTION).is_file():
            return folder
    raise UsageError(f"{path} contains no model: give a finished run, or a bundle, which has a {DESCRIPTION}")


def read_description(path: Path) -> ModelDescription:
    """Read the description of a bundle or a run, without its weights."""
    folder = find_bundle(path)
    try:
        return ModelDescription.model_validate_json(read_small_file(folder / DESCRIPTION))
    except ValidationError as error:
        if newer := newer_format(error):
            raise BundleError(f"{folder / DESCRIPTION} {newer}") from error
        raise _damaged(folder, _first_complaint(error)) from error


def read_trust(path: Path) -> Trust | None:
    """Read the trust of a bundle or a run; None if it has none."""
    folder, description = find_bundle(path), read_description(path)
    if not (folder / TRUST).exists():
        if description.trust:
            raise BundleError(f"{folder / TRUST} is missing, but {DESCRIPTION} describes it: copy the whole bundle")
        return None
    if not (folder / TRUST).is_file():
        raise BundleError(f"{folder / TRUST} is not a regular file; the bundle is damaged")
    trust = Trust.load(folder / TRUST)
    if trust.classes != description.classes:
        raise BundleError(f"{folder / TRUST} was fitted for other classes than those of {DESCRIPTION}")
    return trust


def read_neighbours(path: Path, description: ModelDescription) -> TrainingImages:
    """Read the training images of a bundle or a run; an error if it has none."""
    folder = find_bundle(path)
    if not (folder / NEIGHBOURS).exists():
        raise UsageError(
            f"`neighbours`: {path} has no training images ({NEIGHBOURS}); models trained by residerm do, unless they "
            "are ensembles or soups, or have no features"
        )
    return TrainingImages.read(folder / NEIGHBOURS, description)


def read_seen(path: Path) -> Seen | None:
    """Read the hashes of the seen images of a bundle or a run; None if it has none, as before format 2."""
    file = find_bundle(path) / SEEN
    return Seen.read(file) if file.exists() else None


def read_seen_of_all(paths: Sequence[Path]) -> Seen | None:
    """The images seen by any of several models; None if one of them does not list them."""
    seen = [read_seen(path) for path in paths]
    return Seen.together(one for one in seen if one) if all(seen) else None


def read_bundle(path: Path) -> tuple[Model, ModelDescription]:
    """Read the model of a bundle or a run, in evaluation mode, and its description; not for ensembles."""
    folder, description = find_bundle(path), read_description(path)
    if description.members > 1:
        raise UsageError(f"{path} is an ensemble of {description.members} models; this requires a single model")
    return _read_model(folder, description)


def read_network(path: Path) -> tuple[Model | Ensemble, ModelDescription]:
    """Read the model or the ensemble of a bundle or a run, in evaluation mode, and its description."""
    folder, description = find_bundle(path), read_description(path)
    if description.members == 1:
        return _read_model(folder, description)
    members = []
    for number in range(description.members):
        model, own = read_bundle(folder / MEMBERS / str(number))
        if (own.classes, own.pixels) != (description.classes, description.pixels):
            raise BundleError(f"{folder}: classes or pixels of its members differ from its own; the bundle is damaged")
        members.append(model)
    ensemble, _ = _joined(members, description)
    return ensemble, _checked(description, ensemble, folder)


def _write(model: Model, description: ModelDescription, folder: Path) -> None:
    from safetensors.torch import save

    weights = {key: value.contiguous() for key, value in model.network.state_dict().items()}
    # Not with save_file, which hides errors of the disk.
    (folder / WEIGHTS).write_bytes(save(weights, metadata={"model": description.model}))
    write_description(_completed(description, model), folder)


def _read_model(folder: Path, description: ModelDescription) -> tuple[Model, ModelDescription]:
    from safetensors import SafetensorError

    from residerm.models.weights import read_tensors
    from residerm.models.zoo import build_for

    if not (folder / WEIGHTS).is_file():  # reading a pipe would block
        raise BundleError(f"{folder / WEIGHTS} is missing, or is not a regular file; the bundle is damaged")
    try:
        weights = read_tensors(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise _damaged(folder, str(error)) from error
    require_sound_weights(weights, folder / WEIGHTS)
    classes, size = len(description.classes), description.pixels.size
    try:
        model = build_for(weights, description.model, classes, size, resnet=description.resnet)
    except UsageError as error:
        raise _damaged(folder, str(error)) from error
    except Exception as error:  # networks raise various exceptions for an unsuitable size or shape
        raise BundleError(f"{folder}: the weights do not fit {description.model}; the bundle is damaged") from error
    model.set_colours(description.mean, description.deviation)
    return model.eval(), _checked(description, model, folder)


def _joined(members: Sequence[Model], description: ModelDescription) -> tuple[Ensemble, ModelDescription]:
    from residerm.models.ensemble import Ensemble

    ensemble = Ensemble(members).eval()
    return ensemble, _completed(description, ensemble)


def _completed(description: ModelDescription, model: Model | Ensemble) -> ModelDescription:
    """Complete a description with the outputs of the model besides logits."""
    outputs = {
        "features": model.features,
        "maps": model.grid is not None,
        "linear_classifier": model.linear is not None,
    }
    return description.model_copy(update={"format": 2, **outputs})


def _checked(description: ModelDescription, model: Model | Ensemble, folder: Path) -> ModelDescription:
    """A description with the other outputs of its model; an error if it has different ones. Format 1 has none."""
    completed = _completed(description, model)
    for name in ("features", "maps", "linear_classifier"):
        own, stated = getattr(completed, name), getattr(description, name)
        if description.format > 1 and stated != own:
            raise BundleError(
                f"{folder / DESCRIPTION}: {name} is {shortened(stated)}, but {own} for these weights; the bundle is "
                "damaged"
            )
    return completed


def _first_complaint(error: ValidationError) -> str:
    """The first error in a description, after the name of its field."""
    wrong = error.errors(include_url=False)[0]
    where = ".".join(map(str, wrong["loc"]))
    return f"{DESCRIPTION}: {where}{': ' * bool(where)}{wrong['msg'].removeprefix('Value error, ')}"


def _damaged(folder: Path, reason: str) -> BundleError:
    first_line = reason.partition("\n")[0]
    return BundleError(f"{folder} is damaged or of another version of residerm ({first_line})")
