"""Find near copies of training images among the images of another archive: re-encoded, resized, rotated or cropped.

Exact copies are left out (`unseen.py`). Near copies are likely but not certain, so they are scored, and counted in a
remark. Each new image is compared with the training and validation images of the run.
"""

from __future__ import annotations

import numpy as np

from residerm.data.archives import open_for
from residerm.data.archives.records import Records
from residerm.data.inspect.duplicates import SIDE, THUMBNAIL, find_duplicates, thumbnail
from residerm.errors import ImageError, ResidermError
from residerm.imaging import decoded
from residerm.parallel import in_chunks
from residerm.progress import Progress
from residerm.runs import Run
from residerm.storage.scratch import paged

_STAGE = "looking for near copies"


def near_copies(run: Run, records: Records, rows: np.ndarray, progress: Progress) -> tuple[str, ...]:
    """A remark with the number of near copies and the nearest one; none if the run's archive is not available."""
    seen = _seen(run)
    if seen is None or not len(rows):
        return ()
    images = [(seen[0], int(row)) for row in seen[1]] + [(records, int(row)) for row in rows]
    thumbnails, readable = _thumbnails(images, progress)
    known = int((readable < len(seen[1])).sum())
    pairs = find_duplicates(thumbnails[readable], known=known) if known else []
    if not pairs:
        return ()
    (archive, old), (_, new) = images[readable[pairs[0].first]], images[readable[pairs[0].second]]
    count = len({pair.second for pair in pairs})
    return (
        f"near copies of training or validation images: {count:,} of {len(rows):,}, such as "
        f"{records.image_id(new)} (of {archive.image_id(old)}); they are scored, so the scores may be too high",
    )


def _seen(run: Run) -> tuple[Records, np.ndarray] | None:
    """The run's archive and the rows of its training and validation parts; None if it cannot be read."""
    try:
        records = open_for(run.experiment.path, run.experiment.archive)
    except ResidermError:
        return None
    names = {row.image_id for row in run.splits if row.part != "test"}
    return records, np.array([row for row in range(len(records)) if records.image_id(row) in names], dtype=np.int64)


def _thumbnails(images: list[tuple[Records, int]], progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """The thumbnail of each image, and the indices of the readable images."""
    thumbnails, readable = paged(len(images), THUMBNAIL), np.zeros(len(images), dtype=bool)

    def read(start: int, stop: int) -> None:
        for place in range(start, stop):
            records, row = images[place]
            try:
                with decoded(records.read(row), (2 * SIDE, 2 * SIDE)) as image:
                    thumbnails[place] = thumbnail(image)
            except ImageError:
                continue
            readable[place] = True

    in_chunks(len(images), read, progress.count(_STAGE))
    return thumbnails, np.flatnonzero(readable)
