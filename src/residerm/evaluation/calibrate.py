"""Fit the calibration and thresholds of a model to labelled images from the site where it is to be used.

    calibrate("runs/20260101-120000-resnet50-ham10000-64px-s0", CalibrateOptions(data=Path("our-clinic.csv")))

The result is a new bundle with the same weights. Outliers are still measured against the training images. Images that
were used for training or model selection are left out, and so are those of classes that the model does not have. With
`keep_thumbnails`, the stored training images of a run are stored again, with thumbnails.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from residerm.config import CalibrateOptions, SplitOptions, TrustOptions
from residerm.data.archives import open_archive
from residerm.data.archives.records import Records
from residerm.data.dataset import Dataset
from residerm.data.loading.cache import Cache, open_cache
from residerm.errors import UsageError
from residerm.evaluation.alignment import align_classes
from residerm.evaluation.evaluation_set import finished
from residerm.evaluation.unseen import unseen
from residerm.files import require_writable
from residerm.inference import ModelDescription, Predictor, load, read_description
from residerm.inference.bundle import STARTER, find_bundle, replace_trust
from residerm.inference.neighbours import TrainingImages
from residerm.outputs import Outputs, Views, concatenated
from residerm.progress import SILENT, Progress
from residerm.runs import Run, is_run
from residerm.training.neighbours import kept_images, reference_of, require_licence
from residerm.trust import Trust, TrustSummary

_BATCH = 128


@dataclass(frozen=True)
class Calibrated:
    """The new bundle, and a summary of its calibration."""

    bundle: Path
    summary: TrustSummary


@dataclass(frozen=True)
class _Site:
    """The usable images of the archive, with their labels as class indices of the model."""

    records: Records
    cache: Cache
    rows: np.ndarray
    labels: np.ndarray


def calibrate(
    model: str | Path, options: CalibrateOptions, out: Path | None = None, progress: Progress = SILENT
) -> Calibrated:
    """Fit calibration and thresholds, and write them with the model to a new bundle."""
    path = Path(model)
    source, description = find_bundle(path), read_description(path)
    run = _run_with_pictures(path, description, options) if options.keep_thumbnails else None
    site = _site(path, description, options, progress)
    original = Path("starter") if source == STARTER else source  # never inside the installed package
    target = out or original.with_name(f"{original.name}-{site.records.layout.name}")
    _refuse_occupied(target)
    predictor = load(path)
    trust = _fit(predictor, site, options, progress)
    replace_trust(source, target, trust, _kept(predictor, run, options, progress) if run else None)
    return Calibrated(target, trust.summary)


def _site(path: Path, description: ModelDescription, options: CalibrateOptions, progress: Progress) -> _Site:
    records = open_archive(options.data, layout=options.layout).require(options.on_bad_image)
    alignment = align_classes(description.classes, description.task, records)
    if alignment.task != description.task:
        raise UsageError(
            f"`data={options.data}` has the classes {', '.join(records.classes)}, and the model "
            f"{', '.join(description.classes)}: calibrate on images that are labelled with the classes of the model"
        )
    labels = alignment.labels(records)
    rows = _new_to(path, records, np.flatnonzero(labels >= 0), options, progress)
    for name, count in alignment.unmapped.items():
        progress.remark(f"{count:,} images of class {name} are left out: the model does not have this class")
    cache = open_cache(records, description.pixels, on_bad_image=options.on_bad_image, progress=progress)
    rows = rows[~np.isin(rows, list(cache.unreadable))]
    if not len(rows):
        raise UsageError(f"`data={options.data}`: no images are left to calibrate on")
    return _Site(records, cache, rows, labels[rows])


def _new_to(
    path: Path, records: Records, rows: np.ndarray, options: CalibrateOptions, progress: Progress
) -> np.ndarray:
    """The rows that were not used for training or model selection."""
    if is_run(path) and finished(path).experiment.path.resolve() == options.data.resolve():
        raise UsageError(
            f"`data={options.data}` is the archive that {path} was trained on, and its test part is reserved for "
            "evaluation: calibrate on images from the site where the model is to be used"
        )
    left = unseen(path, records, rows)
    if len(left) < len(rows):
        progress.remark(f"{len(rows) - len(left):,} images that were used for training or model selection are left out")
    return left


def _fit(predictor: Predictor, site: _Site, options: CalibrateOptions, progress: Progress) -> Trust:
    before, groups, title = predictor.trust, site.records.groups[site.rows], site.records.layout.title
    given = {name: value for name, value in options if name in TrustOptions.model_fields and value is not None}
    levels = (before.options if before else TrustOptions()).model_copy(update=given)
    outputs = _outputs(predictor, site, 1, progress)
    if before:
        trust = before.refitted(outputs, site.labels, groups, options=levels, fitted_on=title)
    else:
        trust = Trust.fit(
            outputs.logits, site.labels, groups, outputs.features, None, None,
            classes=predictor.description.classes, options=levels, fitted_on=title,
        )  # fmt: skip
    return trust.with_eight_views(_outputs(predictor, site, 8, progress), site.labels, groups)


def _run_with_pictures(path: Path, description: ModelDescription, options: CalibrateOptions) -> Run:
    """The run whose training images are to be stored with thumbnails; an error if they are not available."""
    require_licence(description.data_licence, options)
    if not is_run(path):
        raise UsageError(f"`keep_thumbnails`: {path} is not a run, so its training images are not available")
    run = finished(path)
    if not run.experiment.path.exists():
        raise UsageError(
            f"`keep_thumbnails`: {path} was trained on {run.experiment.path}, which no longer exists; omit the option"
        )
    return run


def _kept(predictor: Predictor, run: Run, options: CalibrateOptions, progress: Progress) -> TrainingImages | None:
    split = SplitOptions(split=str(run.folder / "splits.csv"))
    dataset = Dataset.open(run.experiment.model_copy(update={"split": split}), progress)
    return kept_images(reference_of(predictor, dataset, progress), dataset, options)


def _outputs(predictor: Predictor, site: _Site, views: Views, progress: Progress) -> Outputs:
    parts = []
    for start in range(0, len(site.rows), _BATCH):
        some = site.rows[start : start + _BATCH]
        parts.append(predictor.outputs(site.cache.pixels[some], views))
        stage = "predicting" if views == 1 else f"predicting {views} views"
        progress.advance(stage, start + len(some), len(site.rows))
    return concatenated(parts)


def _refuse_occupied(target: Path) -> None:
    if target.exists():
        raise UsageError(
            f"`out={target}` already exists and is not overwritten: choose another name, or remove it first"
        )
    require_writable(target)
