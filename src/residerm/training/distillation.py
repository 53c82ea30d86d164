"""Knowledge distillation: a network learns from the predictions of a teacher as well as from the labels.

With the weight a of the teacher and the temperature T (Hinton et al. 2015),

    loss = (1 - a) · loss of the labels + a T² · KL(softmax(teacher / T) ‖ softmax(network / T))

The teacher is any run or bundle with the same classes, at its own image size. Its predictions are computed once for
each training image, averaged over eight views, and are the targets for all augmented versions of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from residerm.config import DistillationOptions
from residerm.data.dataset import Dataset
from residerm.data.loading.cache import open_cache
from residerm.errors import UsageError, listed
from residerm.inference import load
from residerm.inference.bundle import read_description, read_seen
from residerm.progress import SILENT, Progress
from residerm.training.objective import Classification
from residerm.training.recipe import Labels

_BATCH = 128


@dataclass(frozen=True)
class Distillation(Classification):
    """Classification with the targets of labels and a teacher."""

    taught: np.ndarray  # (records, classes) the teacher's logits; zeros outside the training part
    distillation: DistillationOptions

    def targets(
        self, images: Tensor, labels: Tensor, *, rows: np.ndarray, epoch: int, step: int
    ) -> tuple[Tensor, Labels]:
        """The images, their labels, and the logits of the teacher."""
        images, own = super().targets(images, labels, rows=rows, epoch=epoch, step=step)
        return images, own._replace(taught=torch.from_numpy(self.taught[rows]).to(labels.device))

    def loss(self, outputs: Tensor, targets: Labels) -> tuple[Tensor, Tensor]:
        """The loss of labels and teacher, and the accuracy."""
        assert targets.taught is not None
        by_labels, accuracy = super().loss(outputs, targets)
        share, temperature = self.distillation.teacher_share, self.distillation.temperature
        own, taught = (F.log_softmax(one.float() / temperature, 1) for one in (outputs, targets.taught))
        by_teacher = temperature**2 * F.kl_div(own, taught, reduction="batchmean", log_target=True)
        return (1 - share) * by_labels + share * by_teacher, accuracy


def require_teacher(teacher: Path, classes: tuple[str, ...]) -> None:
    """Refuse a teacher of other classes."""
    description = read_description(teacher)
    if description.classes != classes:
        raise UsageError(
            f"`teacher={teacher}` has the classes {listed(description.classes)}, and this training {listed(classes)}: "
            "give a teacher with the same classes"
        )


def ask_teacher(dataset: Dataset, teacher: Path, progress: Progress = SILENT) -> np.ndarray:
    """The logits of a teacher for the training images; zeros for all others."""  # (records, classes) float32
    predictor = load(teacher)
    if known := _known_test_images(dataset, teacher):
        progress.remark(
            f"{known:,} images of the test part were used to train or select the teacher: scores on it will be too "
            "high; give a teacher with the same split"
        )
    on_bad_image = dataset.experiment.archive.on_bad_image
    cache = open_cache(dataset.records, predictor.description.pixels, on_bad_image=on_bad_image, progress=progress)
    rows = dataset.training_rows
    taught = np.zeros((len(dataset.records), len(predictor.description.classes)), np.float32)
    for start in range(0, len(rows), _BATCH):
        some = rows[start : start + _BATCH]
        taught[some] = predictor.outputs(cache.pixels[some], views=8).logits
        progress.advance("asking the teacher", start + len(some), len(rows))
    return taught


def _known_test_images(dataset: Dataset, teacher: Path) -> int:
    """The number of test images that were used to train or select the teacher, if its bundle lists them."""
    seen, records, rows = read_seen(teacher), dataset.records, dataset.test_rows
    if seen is None or not len(rows):
        return 0
    images, groups = ([name(int(row)) for row in rows] for name in (records.image_id, records.group))
    return int(seen.knows(images, groups).sum())
