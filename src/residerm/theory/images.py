"""The images for the theory: random ones, the synthetic archive, a given archive, or those of a run.

Only training images of a run are used; the test part is not touched.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from residerm.config import Experiment, PixelSpec, SplitOptions, SyntheticOptions
from residerm.data.archives.records import Records
from residerm.data.dataset import Dataset
from residerm.data.loading.cache import Cache
from residerm.data.synthetic import draw_archive
from residerm.errors import UsageError
from residerm.inference import ModelDescription
from residerm.inference.bundle import read_bundle
from residerm.models.model import Model
from residerm.progress import SILENT, Progress
from residerm.runs import open_run

_CLASSES = 7


@dataclass(frozen=True)
class LabelledImages:
    """Some images, their labels, and their source."""

    pixels: Tensor  # (n, 3, size, size), 0 to 255
    labels: Tensor  # (n,)
    classes: int
    source: str

    def __len__(self) -> int:
        return len(self.labels)


def random_images(count: int, size: int, seed: int) -> LabelledImages:
    """Noise with random labels: sufficient for equations that hold for every input."""
    random = torch.Generator().manual_seed(seed)
    pixels = 255 * torch.rand(count, 3, size, size, generator=random)
    return LabelledImages(pixels, torch.randint(_CLASSES, (count,), generator=random), _CLASSES, "random images")


def images_of_archive(path: Path | None, count: int, size: int, progress: Progress = SILENT) -> LabelledImages:
    """Training images of an archive, or of the synthetic one if none is given."""
    if path is not None:
        return _drawn(Experiment(path=path, pixels=PixelSpec(size=size)), count, progress)
    with tempfile.TemporaryDirectory() as folder:
        drawn = draw_archive(Path(folder) / "archive", _just_enough(count))
        experiment = Experiment(path=drawn, pixels=PixelSpec(size=size), split=SplitOptions(validation=0))
        return _drawn(experiment, count, progress)


def images_of_run(
    folder: Path, count: int, progress: Progress = SILENT
) -> tuple[Model, ModelDescription, LabelledImages]:
    """The selected model of a run in evaluation mode, and some of its training images."""
    run = open_run(folder)
    model, description = read_bundle(folder)
    experiment = run.experiment
    if not experiment.path.exists():
        raise UsageError(f"{folder} was trained on {experiment.path}, which no longer exists: put it back")
    return model, description, _drawn(experiment, count, progress)


def name_of(description: ModelDescription) -> str:
    """A model's name, with its changes that are relevant here."""
    changes = ["without shortcuts"] if description.resnet.shortcut == "none" else []
    changes += ["with preactivation"] if description.resnet.preactivation else []
    return " ".join([description.model, *changes])


def _just_enough(count: int) -> SyntheticOptions:
    """An archive with this number of training images, drawn small because they are resized to 32 pixels."""
    return SyntheticOptions(images=max(3 * count // 2, 140), width=96, height=72)


def _drawn(experiment: Experiment, count: int, progress: Progress) -> LabelledImages:
    dataset = Dataset.open(experiment, progress)
    random = np.random.default_rng(experiment.training.seed)
    rows = random.permutation(dataset.training_rows)[:count]
    return _gathered(dataset.cache, dataset.records, np.sort(rows))


def _gathered(cache: Cache, records: Records, rows: np.ndarray) -> LabelledImages:
    pixels = torch.from_numpy(cache.pixels[rows]).permute(0, 3, 1, 2).float()
    labels = torch.from_numpy(records.labels[rows].astype(np.int64))
    return LabelledImages(pixels, labels, len(records.classes), records.layout.title)
