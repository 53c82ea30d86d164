"""Size and CRC-32 of image files, which identify a file under any name."""

from __future__ import annotations

import numpy as np

from residerm.data.archives.records import Records
from residerm.data.loading.cache import default_folder, remembered_crcs


def contents_of(records: Records, rows: np.ndarray) -> list[tuple[int, int]]:
    """Size and CRC-32 of the files of some rows: from a zip's directory, or remembered since they were first read."""
    files = records.tree.files[records.table["image"][rows]]
    crcs = files["crc"].copy()
    unknown = np.flatnonzero(crcs == 0)
    if len(unknown):
        folder = default_folder()
        folder.mkdir(parents=True, exist_ok=True)
        crcs[unknown] = remembered_crcs(records, rows[unknown], folder)
    return list(zip(files["size"].tolist(), crcs.tolist(), strict=True))
