"""contents.csv: the size and CRC-32 of each image file of a run's archive, to recognise it under another name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from residerm.documents import DocumentError
from residerm.runs.documents import DAMAGED_RUN
from residerm.runs.tables import read_table, table_bytes

CONTENTS = "contents.csv"
_COLUMNS = ("image_id", "size", "crc32")

Content = tuple[int, int]  # size and CRC-32 of a file


def contents_bytes(image_ids: Iterable[str], contents: Sequence[Content]) -> bytes:
    """Format the table as CSV."""
    rows = ((name, size, f"{crc:08x}") for name, (size, crc) in zip(image_ids, contents, strict=True))
    return table_bytes(_COLUMNS, rows)


def read_contents(path: Path) -> dict[str, Content] | None:
    """The content of each image by id; None for runs of older versions, which have no contents.csv."""
    if not path.exists():
        return None
    try:
        rows = read_table(path, _COLUMNS, DAMAGED_RUN)
        return {row["image_id"]: (int(row["size"]), int(row["crc32"], 16)) for row in rows}
    except ValueError as error:
        raise DocumentError(f"{path} cannot be used ({error}): {DAMAGED_RUN}") from error
