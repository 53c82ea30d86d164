"""splits.csv: the part of each image. The SHA-256 of its bytes identifies the split."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from residerm.documents import DocumentError
from residerm.runs.documents import DAMAGED_RUN
from residerm.runs.tables import read_table, table_bytes


class SplitRow(NamedTuple):
    """One image: its lesion or patient, its class, its part, and its fold if there are folds."""

    image_id: str
    group: str
    label: str
    part: str
    fold: int | None = None


def split_bytes(rows: Iterable[SplitRow], *, folds: bool) -> bytes:
    """Format a split as CSV."""
    columns = SplitRow._fields if folds else SplitRow._fields[:-1]
    return table_bytes(columns, (row[: len(columns)] for row in rows))


def read_splits(path: Path, remedy: str = DAMAGED_RUN) -> list[SplitRow]:
    """Read a splits.csv, which must have the columns image_id and part, and one part for each image."""
    rows = [
        SplitRow(line["image_id"], line.get("group", ""), line.get("label", ""), line["part"])
        for line in read_table(path, ("image_id", "part"), remedy)
    ]
    parts: dict[str, str] = {}
    for row in rows:
        if parts.setdefault(row.image_id, row.part) != row.part:
            raise DocumentError(
                f"{path} has image {row.image_id} in two parts, {parts[row.image_id]} and {row.part}: {remedy}"
            )
    return rows


def groups_by_class(rows: Iterable[SplitRow]) -> dict[str, dict[str, int]]:
    """The number of lesions of each class in each part: class → part → lesions."""
    groups: dict[str, dict[str, set[str]]] = {}
    for row in rows:
        groups.setdefault(row.label, {}).setdefault(row.part, set()).add(row.group)
    return {name: {part: len(members) for part, members in parts.items()} for name, parts in groups.items()}
