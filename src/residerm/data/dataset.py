"""A dataset: the records of an archive, its split, and its decoded images.

    dataset = Dataset.open(Experiment(path=Path("HAM10000")))
    dataset.cache.pixels[dataset.test_rows], dataset.records.labels[dataset.test_rows]

Used by training, evaluation, `bench`, the dry run and theory. Rows are indices into the records; unreadable images are
in no part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from residerm.config import Experiment
from residerm.data.archives import open_for
from residerm.data.archives.records import Records
from residerm.data.loading.cache import Cache, open_cache
from residerm.data.sampling import draw_rows
from residerm.data.split import TEST, TRAIN, VALIDATION, Split, divide
from residerm.errors import listed
from residerm.progress import SILENT, Progress


@dataclass(frozen=True)
class Dataset:
    """The records of an experiment's archive, their split, and their decoded images."""

    experiment: Experiment
    records: Records
    split: Split
    cache: Cache

    @classmethod
    def open(cls, experiment: Experiment, progress: Progress = SILENT) -> Dataset:
        """Open the archive, split it, and decode images that are not in the cache."""
        records = open_for(experiment.path, experiment.archive)
        split = divide(records, experiment.split)
        on_bad_image = experiment.archive.on_bad_image
        cache = open_cache(records, experiment.pixels, on_bad_image=on_bad_image, progress=progress)
        return cls(experiment, records, split, cache)

    def rows(self, part: int) -> np.ndarray:
        """The readable rows of a part."""
        rows = self.split.rows(part)
        return rows[~np.isin(rows, list(self.cache.unreadable))] if self.cache.unreadable else rows

    @property
    def training_rows(self) -> np.ndarray:
        """The readable rows of the training part."""
        return self.rows(TRAIN)

    @property
    def validation_rows(self) -> np.ndarray:
        """The readable rows of the validation part."""
        return self.rows(VALIDATION)

    @property
    def test_rows(self) -> np.ndarray:
        """The readable rows of the test part."""
        return self.rows(TEST)

    def drawn(self, epoch: int = 0) -> np.ndarray:
        """The training rows of an epoch, after resampling."""
        sample, seed = self.experiment.sample, self.experiment.training.seed
        return draw_rows(self.training_rows, self.records.labels, sample, seed=seed, epoch=epoch)

    def counts(self) -> np.ndarray:
        """Number of images of each class in an epoch."""
        return np.bincount(self.records.labels[self.drawn()], minlength=len(self.records.classes))

    @property
    def remarks(self) -> tuple[str, ...]:
        """Caveats about the dataset."""
        remarks = (*self.records.notes, *self.split.remarks)
        if unreadable := self.cache.unreadable:
            names = listed(map(self.records.image_id, unreadable))
            remarks += (f"{len(unreadable):,} unreadable images are left out: {names}",)
        return remarks
