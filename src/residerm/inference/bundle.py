"""A bundle on disk: a folder with a model, its description, and what was found out about it.

    model.json           the description, which is written last
    model.safetensors    the weights; of an ensemble members/0, members/1, … are bundles of their own
    seen.npz             hashes of the images that it was trained on or chosen by
    trust.npz            what calibration, prediction sets and abstention need
    observed.json        how often it was right at a confidence, where it has no test part of its own
    neighbours.npz       features, classes and ids of training images; the model works without it

An exported bundle (see `exported`) has a graph in the place of the weights. Nothing in a bundle can run code.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from residerm.description import ModelDescription
from residerm.errors import UsageError
from residerm.files import new_folder
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
    """Write a bundle into a new folder, or in place of one of residerm's own.

    What the model gives besides logits is written into its description.
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
    """Write a bundle like another one, whatever runtime it is for, with this trust, into a new folder.

    What it keeps of training images stays, unless other ones are given.
    """
    description = read_description(source).model_copy(update={"trust": trust.summary})
    with new_folder(target) as partial:
        ignored = shutil.ignore_patterns(TRUST, DESCRIPTION, OBSERVED)  # the last holds for the old calibration
        shutil.copytree(
            source,
            partial,
            dirs_exist_ok=True,
            ignore=lambda at, names: ignored(at, names) if at == str(source) else [],
        )
        trust.save(partial / TRUST)
        if neighbours:
            neighbours.write(partial / NEIGHBOURS)
        write_description(description, partial)
    return target


def write_ensemble(members: Sequence[Path], folder: Path, trust: Trust | None = None) -> Path:
    """Write several bundles as one, whose probabilities are the mean of theirs; `trust` was fitted to that mean."""
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
    """Write what a model says of itself beside it."""
    (folder / DESCRIPTION).write_text(description.model_dump_json(indent=2) + "\n", encoding="utf-8")


def copy_bundle(path: Path, folder: Path) -> Path:
    """Write the bundle of a run, or a bundle, once more."""
    source = find_bundle(path)
    with new_folder(folder) as partial:
        shutil.copytree(source, partial, dirs_exist_ok=True)
    return folder


def join_members(members: Sequence[Path]) -> tuple[Ensemble, ModelDescription]:
    """Several bundles as an ensemble, which is not written."""
    return _as_ensemble([read_bundle(member) for member in members], members)


def _as_ensemble(
    read: Sequence[tuple[Model, ModelDescription]], paths: Sequence[Path]
) -> tuple[Ensemble, ModelDescription]:
    from residerm.inference.ensemble import described_together

    return _joined([model for model, _ in read], described_together([one for _, one in read], paths))


def find_bundle(path: Path) -> Path:
    """The bundle at a path: the folder itself, or that of a run; `starter` is the model that comes with residerm."""
    if path == Path("starter") and not path.exists():
        path = STARTER
    for folder in (path, path / "bundle"):
        if (folder / DESCRIPTION).is_file():
            return folder
    raise UsageError(f"{path} holds no model: MODEL is a finished run, or a folder with {DESCRIPTION} beside its model")


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


def read_neighbours(path: Path, description: ModelDescription) -> TrainingImages:
    """The training images that a bundle or a run keeps, as its loaded model describes itself; refused without any."""
    folder = find_bundle(path)
    if not (folder / NEIGHBOURS).exists():
        raise UsageError(
            f"`neighbours`: {path} keeps no training images ({NEIGHBOURS}); models that residerm trains do, unless "
            "they are ensembles or soups, or have no features"
        )
    return TrainingImages.read(folder / NEIGHBOURS, description)


def read_seen(path: Path) -> Seen | None:
    """What the model of a bundle or a run has seen; None where its bundle does not tell, as before format 2."""
    file = find_bundle(path) / SEEN
    return Seen.read(file) if file.exists() else None


def read_seen_of_all(paths: Sequence[Path]) -> Seen | None:
    """What several models have seen together; None where one of them does not tell."""
    told = [read_seen(path) for path in paths]
    return Seen.together(one for one in told if one) if all(told) else None


def read_bundle(path: Path) -> tuple[Model, ModelDescription]:
    """The model of a bundle or a run, in evaluation, and its description; of one model, with its weights."""
    folder, description = find_bundle(path), read_description(path)
    if description.members > 1:
        raise UsageError(f"{path} is an ensemble of {description.members} models; this needs one of them alone")
    return _read_model(folder, description)


def read_network(path: Path) -> tuple[Model | Ensemble, ModelDescription]:
    """The model or the ensemble of a bundle or a run, in evaluation, and its description."""
    folder, description = find_bundle(path), read_description(path)
    if description.members == 1:
        return _read_model(folder, description)
    members = []
    for number in range(description.members):
        model, own = read_bundle(folder / MEMBERS / str(number))
        if (own.classes, own.pixels) != (description.classes, description.pixels):
            raise BundleError(f"{folder}: its members have other classes or pixels than it has; the bundle is damaged")
        members.append(model)
    return _joined(members, description)


def _write(model: Model, description: ModelDescription, folder: Path) -> None:
    from safetensors.torch import save

    weights = {key: value.contiguous() for key, value in model.network.state_dict().items()}
    # Not by save_file, which hides what the disk complains of.
    (folder / WEIGHTS).write_bytes(save(weights, metadata={"model": description.model}))
    write_description(_completed(description, model), folder)


def _read_model(folder: Path, description: ModelDescription) -> tuple[Model, ModelDescription]:
    from safetensors import SafetensorError

    from residerm.models.weights import read_tensors
    from residerm.models.zoo import build_for

    if not (folder / WEIGHTS).is_file():  # a pipe would wait for ever
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
    except Exception as error:  # networks have no common way to say that a size or a shape does not suit them
        raise BundleError(f"{folder}: the weights do not fit {description.model}; the bundle is damaged") from error
    model.set_colours(description.mean, description.deviation)
    return model.eval(), _completed(description, model)  # of format 1, which did not say what the model gives


def _joined(members: Sequence[Model], description: ModelDescription) -> tuple[Ensemble, ModelDescription]:
    from residerm.models.ensemble import Ensemble

    ensemble = Ensemble(members).eval()
    return ensemble, _completed(description, ensemble)


def _completed(description: ModelDescription, model: Model | Ensemble) -> ModelDescription:
    """The description with what the model gives besides logits."""
    gives = {"features": model.features, "maps": model.grid is not None, "linear_classifier": model.linear is not None}
    return description.model_copy(update={"format": 2, **gives})


def _first_complaint(error: ValidationError) -> str:
    """The first thing that is wrong with a description, after the name of its field."""
    wrong = error.errors(include_url=False)[0]
    where = ".".join(map(str, wrong["loc"]))
    if where == "format" and isinstance(wrong["input"], int) and wrong["input"] > 2:
        return f"{DESCRIPTION} has format {wrong['input']}, which is of a newer residerm than this: update it"
    return f"{DESCRIPTION}: {where}{': ' * bool(where)}{wrong['msg'].removeprefix('Value error, ')}"


def _damaged(folder: Path, reason: str) -> BundleError:
    first_line = reason.partition("\n")[0]
    return BundleError(f"{folder} is damaged or of another version of residerm ({first_line})")
