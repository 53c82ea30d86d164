"""Which images of an archive a model has not seen: it was neither trained on them nor chosen by them.

An image is known by its content, the size and CRC-32 of its file, whatever it is called, and by its lesion: no image
of a lesion that was seen is new. Ids of images and lesions are compared only where both archives take them from the
same place: where both are named by the ISIC Archive, or where most images with the same id have the same content.
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
from residerm.runs import Content, Run, open_run


@dataclass(frozen=True)
class KnownImages:
    """The images that a run was trained on or chosen by."""

    images: frozenset[str]
    groups: frozenset[str]
    contents: dict[str, Content] | None  # by image id; None where they are not known any more
    isic_ids: bool

    @classmethod
    def of(cls, run: Run) -> KnownImages:
        """Those of a run's training and validation parts."""
        rows = [row for row in run.splits if row.part != "test"]
        images = frozenset(row.image_id for row in rows)
        archive = run.data.archive
        isic_ids = any(layout.isic_ids for layout in LAYOUTS.values() if layout.title == archive)
        contents = run.contents or _contents_of_archive(run)
        known = {name: contents[name] for name in images if name in contents} if contents else None
        return cls(images, frozenset(row.group for row in rows), known, isic_ids)

    def knows(self, records: Records, rows: np.ndarray) -> np.ndarray:
        """Which of the rows are known, by themselves or by their lesion."""
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
        """Whether an id means the same image here as in the archive that the run was trained on."""
        if self.contents is None or (self.isic_ids and records.layout.isic_ids):
            return True
        shared = [(name, content) for name, content in zip(names, contents, strict=True) if name in self.contents]
        return 2 * sum(self.contents[name] == content for name, content in shared) > len(shared)


def is_run(model: Path) -> bool:
    """Whether a path is the folder of a run, and not a bundle."""
    return (model / "splits.csv").is_file()


def tells_what_it_has_seen(model: Path) -> bool:
    """Whether it is known what a run or a bundle has seen; bundles of format 1 do not tell."""
    return is_run(model) or read_seen(model) is not None


def unseen(model: Path, records: Records, rows: np.ndarray) -> np.ndarray:
    """Those of the rows that a run or a bundle has neither been trained on nor chosen by.

    A bundle that does not tell is taken to have seen none.
    """
    if is_run(model):
        return np.array(rows[~KnownImages.of(open_run(model)).knows(records, rows)])
    seen = read_seen(model)
    if seen is None:
        return rows
    images, groups = ([name(int(row)) for row in rows] for name in (records.image_id, records.group))
    return np.array(rows[~seen.knows(images, groups, contents_of(records, rows))])


def _contents_of_archive(run: Run) -> dict[str, Content] | None:
    """For a run that did not write them down: those of its archive, where that is still there."""
    experiment = run.experiment
    try:
        records = open_for(experiment.path, experiment.archive)
        contents = contents_of(records, np.arange(len(records)))
    except ResidermError:
        return None
    return {records.image_id(row): content for row, content in enumerate(contents)}
