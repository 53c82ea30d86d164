"""Which images of an archive a model has not seen: by its run's split, or by the hashes that its bundle carries."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from residerm.data.archives.records import Records
from residerm.data.loading.contents import contents_of
from residerm.inference.bundle import read_seen
from residerm.runs import open_run


def is_run(model: Path) -> bool:
    """Whether a path is the folder of a run, and not a bundle."""
    return (model / "splits.csv").is_file()


def tells_what_it_has_seen(model: Path) -> bool:
    """Whether it is known what a run or a bundle has seen; bundles of format 1 do not tell."""
    return is_run(model) or read_seen(model) is not None


def unseen(model: Path, records: Records, rows: np.ndarray) -> np.ndarray:
    """Those of the rows whose images and lesions a run or a bundle has neither been trained on nor chosen by.

    A bundle that does not tell is taken to have seen none.
    """
    images = [records.image_id(int(row)) for row in rows]
    groups = [records.group(int(row)) for row in rows]
    if is_run(model):
        known = [row for row in open_run(model).splits if row.part != "test"]
        of_images, of_groups = {row.image_id for row in known}, {row.group for row in known}
        new = [one not in of_images and other not in of_groups for one, other in zip(images, groups, strict=True)]
        return np.array(rows[np.array(new, dtype=bool)])
    seen = read_seen(model)
    if seen is None:
        return rows
    return np.array(rows[~seen.knows(images, groups, contents_of(records, rows))])
