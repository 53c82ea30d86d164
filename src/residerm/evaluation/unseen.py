"""Find the images of an archive that were used neither for training a model nor for selecting it.

Images are recognised by their content (size and CRC-32 of the file), under any name, and by their lesion: no other
image of a seen lesion is new. Ids of images and lesions are only compared if they mean the same in both archives: if
both use the ids of the ISIC Archive, or if most images with equal ids have equal content.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from residerm.data.archives import open_for
from residerm.data.archives.layouts import LAYOUTS
from residerm.data.archives.records import Records
from residerm.data.loading.contents import contents_of
from residerm.errors import ResidermError
from residerm.inference.bundle import read_seen
from residerm.runs import Content, Run, is_run, open_run


@dataclass(frozen=True)
class KnownImages:
    """The training and validation images of a run."""

    images: frozenset[str]
    groups: frozenset[str]
    contents: dict[str, Content] | None  # by image id; None if they are no longer known
    isic_ids: bool

    @classmethod
    def of(cls, run: Run) -> KnownImages:
        """Read the training and validation images of a run."""
        rows = [row for row in run.splits if row.part != "test"]
        images = frozenset(row.image_id for row in rows)
        archive = run.data.archive
        isic_ids = any(layout.isic_ids for layout in LAYOUTS.values() if layout.title == archive)
        contents = run.contents or _contents_of_archive(run)
        known = {name: contents[name] for name in images if name in contents} if contents else None
        return cls(images, frozenset(row.group for row in rows), known, isic_ids)

    def knows(self, records: Records, rows: np.ndarray) -> np.ndarray:
        """Which of the rows are known, by content, id or lesion."""
        names = [records.image_id(row) for row in rows]
        contents = contents_of(records, rows)
        seen = frozenset((self.contents or {}).values())
        known = np.array([content[1] != 0 and content in seen for content in contents], dtype=bool)
        if self._same_ids(records, names, contents):
            known |= np.array([name in self.images for name in names], dtype=bool)
            known |= np.array([records.group(row) in self.groups for row in rows], dtype=bool)
        groups = records.groups[rows]
        return known | np.isin(groups, groups[known])

    def _same_ids(self, records: Records, names: list[str], contents: list[Content]) -> bool:
        """Whether ids mean the same images here as in the archive that the run was trained on."""
        if self.contents is None or (self.isic_ids and records.layout.isic_ids):
            return True
        shared = [(name, content) for name, content in zip(names, contents, strict=True) if name in self.contents]
        return 2 * sum(self.contents[name] == content for name, content in shared) > len(shared)


def lists_seen_images(model: Path) -> bool:
    """Whether a run or a bundle lists the images it was trained on; bundles of format 1 do not."""
    return is_run(model) or read_seen(model) is not None


def unseen(model: Path, records: Records, rows: np.ndarray) -> np.ndarray:
    """The rows that were used neither for training a run or a bundle nor for selecting it.

    A bundle that does not list its training images is assumed to have seen none of them.
    """
    if is_run(model):
        return np.array(rows[~KnownImages.of(open_run(model)).knows(records, rows)])
    seen = read_seen(model)
    if seen is None:
        return rows
    images, groups = ([name(int(row)) for row in rows] for name in (records.image_id, records.group))
    return np.array(rows[~seen.knows(images, groups, contents_of(records, rows))])


def _contents_of_archive(run: Run) -> dict[str, Content] | None:
    """The contents of the run's archive, for runs without contents.csv; None if the archive cannot be read."""
    experiment = run.experiment
    try:
        records = open_for(experiment.path, experiment.archive)
        contents = contents_of(records, np.arange(len(records)))
    except ResidermError:
        return None
    return {records.image_id(row): content for row, content in enumerate(contents)}
