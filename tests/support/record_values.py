"""The values of records in a form that can be compared."""

from __future__ import annotations

import hashlib
import math
from typing import Any, NamedTuple

from residerm.data.archives.records import PARTS, Records


class RecordValues(NamedTuple):
    """All values of one record."""

    label: str
    group: str
    sex: str
    age: float | None
    site: str
    part: str
    image: str  # hash of its bytes
    mask: str | None


def record_values(records: Records) -> dict[str, RecordValues]:
    """The values of each record by image id; ids must be unique."""
    lines = {records.image_id(row): _line(records, row) for row in range(len(records))}
    assert len(lines) == len(records)
    return lines


def _line(records: Records, row: int) -> RecordValues:
    values: dict[str, Any] = {name: records.table[name][row].item() for name in ("label", "sex", "site", "age", "part")}
    mask = records.read_mask(row)
    return RecordValues(
        label=records.classes[values["label"]],
        group=records.group(row),
        sex=records.sexes[values["sex"]],
        age=None if math.isnan(values["age"]) else values["age"],
        site=records.sites[values["site"]],
        part=PARTS[values["part"]] if values["part"] >= 0 else "",
        image=_hash(records.read(row)),
        mask=None if mask is None else _hash(mask),
    )


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
