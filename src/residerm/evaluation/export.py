"""Export runs: select the images on which parity is measured; the export itself is in `inference/export.py`.

    exported = export([Path("runs/20260101-120000-resnet50-ham10000-64px-s0")], options=ExportOptions(to="onnx"))
    exported.folder, exported.parity

Parity is measured on images that the model was not trained on: the validation part of its run, or another archive.
The ranges of int8 are set on the training part, never on images on which parity is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from residerm.config import ExportOptions, SplitOptions
from residerm.data.archives import open_archive, open_for
from residerm.data.archives.records import Records
from residerm.data.split import TRAIN, VALIDATION, divide
from residerm.description import ModelDescription
from residerm.errors import UsageError
from residerm.evaluation.evaluation_set import finished
from residerm.evaluation.unseen import unseen
from residerm.files import require_writable
from residerm.inference.bundle import copy_bundle, read_description, write_ensemble
from residerm.inference.export import export_bundle, require_possible
from residerm.inference.exported import EXPORTS
from residerm.inference.measuring import Sample
from residerm.inference.parity import ParityRecord
from residerm.progress import SILENT, Progress
from residerm.runs import Run, is_run, open_run

_CALIBRATION_SHARE = 3  # every third image of another archive is used to set the ranges of int8


@dataclass(frozen=True)
class Exported:
    """A new bundle, and its parity; None if it is for torch."""

    folder: Path
    parity: ParityRecord | None = None


def export(
    models: Path | Sequence[Path],
    folder: Path | None = None,
    options: ExportOptions = ExportOptions(),
    progress: Progress = SILENT,
) -> Exported:
    """Export a run or a bundle, or several of them as an ensemble, to a new bundle.

    For a single run, the default folder is in the folder of the run.
    """
    paths = [models] if isinstance(models, Path) else list(models)
    if not paths:
        raise UsageError("models: give a run or a bundle, or several for an ensemble")
    folder = folder or _default_folder(paths, options)
    require_writable(folder)
    if options.to is None:
        if options.precision != "float32":
            raise UsageError(f"`precision={options.precision}`: a bundle in torch is float32; choose `to=openvino`")
        return Exported(copy_bundle(paths[0], folder) if len(paths) == 1 else write_ensemble(paths, folder))
    require_possible(paths, options.to, options.precision)
    sample, calibration = _samples(paths, options)
    record = export_bundle(
        paths, folder, to=options.to, precision=options.precision, sample=sample, calibration=calibration,
        progress=progress,
    )  # fmt: skip
    return Exported(folder, record)


def _default_folder(paths: Sequence[Path], options: ExportOptions) -> Path:
    if len(paths) == 1 and options.to and is_run(paths[0]):
        return paths[0] / EXPORTS / f"{options.to}-{options.precision}"
    raise UsageError("`out` is missing: give a folder for the new bundle")


def _samples(paths: Sequence[Path], options: ExportOptions) -> tuple[Sample, Sample]:
    """The images on which parity is measured, and those that set the ranges of int8."""
    description = read_description(paths[0])
    if options.data:
        return _of_archive(paths, options.data, description)
    if not is_run(paths[0]):
        raise UsageError(
            f"{paths[0]} is not a run, so it has no images: give an archive for the comparison with `data`"
        )
    return _of_run(finished(paths[0]), paths[1:], description)


def _of_run(run: Run, others: Sequence[Path], description: ModelDescription) -> tuple[Sample, Sample]:
    """The run's validation and training parts; the former without images that another run was trained on."""
    experiment = run.experiment
    if not experiment.path.exists():
        raise UsageError(
            f"{run.folder} was trained on {experiment.path}, which no longer exists: give an archive with `data`"
        )
    records = open_for(experiment.path, experiment.archive)
    split = divide(records, SplitOptions(split=str(run.folder / "splits.csv")))
    left_out = run.data.left_out
    readable = np.array([records.image_id(row) not in left_out for row in range(len(records))])
    validation, training = (rows[readable[rows]] for rows in (split.rows(VALIDATION), split.rows(TRAIN)))
    for other in filter(is_run, others):
        trained = {row.image_id for row in open_run(other).splits if row.part == "train"}
        validation = validation[[records.image_id(int(row)) not in trained for row in validation]]
    if not len(validation):
        raise UsageError(f"{run.folder}: no images are left to compare on; give another archive with `data`")
    return _sample(records, validation, description, "validation part"), _sample(records, training, description, "")


def _of_archive(paths: Sequence[Path], data: Path, description: ModelDescription) -> tuple[Sample, Sample]:
    """The images of another archive that no model was trained on, of classes that the model has."""
    records = open_archive(data).require()
    rows = np.flatnonzero([records.classes[label] in description.classes for label in records.labels])
    for path in paths:
        rows = unseen(path, records, rows)
    if len(rows) < _CALIBRATION_SHARE:
        raise UsageError(
            f"`data={data}`: the models were trained on all of its images, or it has none of their classes"
        )
    for_ranges = np.arange(len(rows)) % _CALIBRATION_SHARE == 0
    return (
        _sample(records, rows[~for_ranges], description, "not seen in training"),
        _sample(records, rows[for_ranges], description, ""),
    )


def _sample(records: Records, rows: np.ndarray, description: ModelDescription, part: str) -> Sample:
    places = {name: place for place, name in enumerate(description.classes)}
    lookup = np.array([places.get(name, -1) for name in records.classes])
    return Sample(
        source=f"{records.layout.title}, {part}",
        read=lambda number: records.read(int(rows[number])),
        labels=lookup[records.labels[rows]],
        groups=records.groups[rows],
    )
