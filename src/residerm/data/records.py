"""Records: one row an image, with its label, its lesion or patient, what is known of the person, and where it lies.

A layout says which rows there are and how a file's name leads to its row; `assemble` joins the two in SQLite and
keeps the result in a file-backed table, so that private memory does not grow with the archive. What did not fit
(rows without images, images without rows, unknown labels) is kept as faults, and every count in and out as the flow.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from residerm.config import OnBadImage, Task
from residerm.data.tree import Tree, from_query, paged, printable, scratch_database
from residerm.errors import ArchiveError, listed
from residerm.taxonomy import ClassMapping, mapping_for, without

PARTS = ("train", "validation", "test")
_BLOCKING = ("row without image", "unknown label", "two rows")


class Row(NamedTuple):
    """What an archive's tables say of one image. An empty text, or no age, is not known."""

    image_id: str
    label: str | None  # None: left out on purpose, such as "unknown"
    group: str = ""
    sex: str = ""
    age: float | None = None
    site: str = ""
    part: str = ""


class Fault(NamedTuple):
    """Something in the archive that does not fit."""

    kind: str
    image_id: str
    detail: str


@dataclass(frozen=True)
class Layout:
    """How one kind of archive is recognised and read; a new data set is a file with one of these."""

    name: str
    title: str
    licence: str
    citation: str
    recognises: Callable[[Tree], bool]
    rows: Callable[[Tree], Iterator[Row]]
    image_key: Callable[[str], str | None]  # a file's name → the image id that it belongs to, if it is an image
    mask_key: Callable[[str], str | None] = lambda _: None
    classes: tuple[str, ...] | None = None  # None: the labels that occur, sorted
    task: Task = "diagnosis"
    grouped_by: str | None = None
    notes: tuple[str, ...] = ()
    synthetic: bool = False


@dataclass(frozen=True)
class Records:
    """The images of an archive, in the order of its table."""

    layout: Layout
    tree: Tree
    table: np.ndarray = field(repr=False)  # image_id, group, label, sex, age, site, part, image, mask
    classes: tuple[str, ...]
    sexes: tuple[str, ...]
    sites: tuple[str, ...]
    task: Task
    faults: tuple[Fault, ...] = ()
    flow: tuple[tuple[str, int], ...] = ()
    mapping: ClassMapping | None = None

    def __len__(self) -> int:
        return len(self.table)

    @property
    def labels(self) -> np.ndarray:
        """Index of each image's class."""
        labels: np.ndarray = self.table["label"]
        return labels

    @property
    def groups(self) -> np.ndarray:
        """Each image's lesion or patient, or its own id where none is known."""
        groups: np.ndarray = self.table["group"]
        return groups

    def image_id(self, row: int) -> str:
        """The id of an image."""
        return printable(os.fsdecode(bytes(self.table["image_id"][row])))

    def group(self, row: int) -> str:
        """The lesion or patient of an image."""
        return printable(os.fsdecode(bytes(self.table["group"][row])))

    def read(self, row: int) -> bytes:
        """The bytes of an image's file."""
        return self.tree.read(int(self.table["image"][row]))

    def read_mask(self, row: int) -> bytes | None:
        """The bytes of an image's lesion mask, where there is one."""
        mask = int(self.table["mask"][row])
        return self.tree.read(mask) if mask >= 0 else None

    def where(self, row: int) -> str:
        """Where an image lies, for messages."""
        return self.tree.where(int(self.table["image"][row]))

    def class_counts(self) -> dict[str, int]:
        """Number of images of each class, also of those that have none."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    def require(self, on_bad_image: OnBadImage = "error") -> Records:
        """These records, if nothing is missing, or if what is missing may be left out."""
        blocking = [fault for fault in self.faults if fault.kind in _BLOCKING]
        if blocking and on_bad_image == "error":
            kinds = sorted({fault.kind for fault in blocking})
            names = listed(f"{fault.image_id} ({fault.detail})" for fault in blocking)
            raise ArchiveError(
                f"{self.tree.path}: {len(blocking)} × {' / '.join(kinds)}: {names}. See `residerm data check`; "
                "mend the archive, or leave them out with --on-bad-image skip"
            )
        return self

    def for_task(self, task: Task | None, left_out: tuple[str, ...] = ()) -> Records:
        """These records with the classes of a task, less some classes; rows left out are counted in the flow."""
        if task is None and not left_out:
            return self
        task = task or self.task
        mapping = without(mapping_for(task, self.classes), left_out)
        codes = {name: code for code, name in enumerate(mapping.classes)}
        targets = [mapping.target(name) for name in self.classes]
        lookup = np.array([codes[target] if target is not None else -1 for target in targets], dtype=np.int16)
        kept = np.flatnonzero(lookup[self.labels] >= 0)
        table = paged(len(kept), self.table.dtype)
        table[:] = self.table[kept]
        table["label"] = lookup[table["label"]]
        flow = (*self.flow, (f"left out by task {task}", len(kept) - len(self)), (f"records for {task}", len(kept)))
        return replace(self, table=table, classes=mapping.classes, task=task, flow=flow, mapping=mapping)


def assemble(tree: Tree, layout: Layout) -> Records:
    """Join a layout's rows to the files of the tree."""
    with scratch_database() as database:
        vocabularies = _insert_rows(database, layout, tree)
        _insert_files(database, layout, tree)
        total = _count(database, "SELECT count(*) FROM row")
        rows = _count(database, f"SELECT count(*) {_JOIN}")
        if total and not _count(database, "SELECT count(*) FROM image"):
            raise ArchiveError(
                f"{tree.path}: the table has {total:,} rows, but there are no images: put the zips or folders of images "
                "beside the table, with the names that they were published under"
            )
        table = from_query(database, _SELECT + _JOIN + " ORDER BY row.rowid", _table_type(database), rows)
        faults = tuple(_faults(database))
        left_out = _count(database, "SELECT count(*) FROM row WHERE code = -2")
    database.close()
    classes = _sort_classes(table, vocabularies["label"]) if layout.classes is None else layout.classes
    if not rows:
        raise ArchiveError(f"{tree.path}: no labelled image was found for layout {layout.name}")
    return Records(
        layout=layout,
        tree=tree,
        table=table,
        classes=classes,
        sexes=tuple(vocabularies["sex"]),
        sites=tuple(vocabularies["site"]),
        task=layout.task,
        faults=faults,
        flow=_flow(total, left_out, faults, rows),
    )


_JOIN = """FROM row JOIN image ON image.key = row.image_id LEFT JOIN mask ON mask.key = row.image_id
    WHERE row.code >= 0 AND row.rowid = row.first"""
_SELECT = """SELECT CAST(row.image_id AS BLOB), CAST(coalesce(nullif(row.grp, ''), row.image_id) AS BLOB), row.code,
    row.sex, row.age, row.site, row.part, image.number, coalesce(mask.number, -1) """


def _insert_rows(database: sqlite3.Connection, layout: Layout, tree: Tree) -> Mapping[str, dict[str, int]]:
    """Write the rows, with codes in place of repeated texts; give the vocabularies of the codes."""
    labels = {name: code for code, name in enumerate(layout.classes or ())}
    vocabularies: dict[str, dict[str, int]] = {"label": labels, "sex": {"": 0}, "site": {"": 0}}
    parts = {"": -1, **{name: code for code, name in enumerate(PARTS)}}

    def code(kind: str, text: str) -> int:
        return vocabularies[kind].setdefault(text, len(vocabularies[kind]))

    def label_code(label: str | None) -> int:
        if label is None:
            return -2
        return labels.get(label, -1) if layout.classes is not None else code("label", label)

    database.execute("CREATE TABLE row (image_id, label, code, grp, sex, age, site, part, first)")
    database.executemany(
        "INSERT INTO row VALUES (?,?,?,?,?,?,?,?,NULL)",
        (
            (
                _bytes(row.image_id),
                row.label,
                label_code(row.label),
                _bytes(row.group),
                code("sex", row.sex.lower()),
                row.age,  # None becomes NaN in the table
                code("site", row.site.lower()),
                parts[row.part],
            )
            for row in layout.rows(tree)
        ),
    )
    database.execute("CREATE INDEX row_id ON row (image_id)")
    database.execute("UPDATE row SET first = (SELECT min(twin.rowid) FROM row twin WHERE twin.image_id = row.image_id)")
    return vocabularies


def _insert_files(database: sqlite3.Connection, layout: Layout, tree: Tree) -> None:
    """Write which file belongs to which id; of two files for one id the first counts."""
    for kind, key_of in (("image", layout.image_key), ("mask", layout.mask_key)):
        database.execute(f"CREATE TABLE {kind} (key BLOB PRIMARY KEY, number) WITHOUT ROWID")
        database.execute(f"CREATE TABLE {kind}_twin (key BLOB, number, first)")
        keys = ((key, number) for number, name in tree.images if (key := key_of(name)) is not None)
        for key, number in keys:
            added = database.execute(f"INSERT OR IGNORE INTO {kind} VALUES (?, ?)", (_bytes(key), number))
            if not added.rowcount:
                database.execute(f"INSERT INTO {kind}_twin VALUES (?, ?, NULL)", (_bytes(key), number))


def _faults(database: sqlite3.Connection) -> Iterator[Fault]:
    queries = {
        "row without image": "SELECT image_id, 'no file of that name' FROM row LEFT JOIN image ON key = image_id "
        "WHERE key IS NULL AND code <> -2 AND row.rowid = first",
        "image without row": "SELECT key, 'not in the table' FROM image LEFT JOIN row ON key = image_id "
        "WHERE image_id IS NULL",
        "unknown label": "SELECT image_id, label FROM row WHERE code = -1",
        "two rows": "SELECT image_id, 'named by more than one row' FROM row WHERE rowid > first",
        "two files": "SELECT key, 'packed and unpacked, or in two folders' FROM image_twin",
    }
    for kind, query in queries.items():
        for key, detail in database.execute(query):
            yield Fault(kind, printable(os.fsdecode(key)), str(detail))


def _flow(total: int, left_out: int, faults: tuple[Fault, ...], rows: int) -> tuple[tuple[str, int], ...]:
    """The counts from rows in the table to records, with the reason for each loss."""
    unknown = sum(fault.kind == "unknown label" for fault in faults)
    twice = sum(fault.kind == "two rows" for fault in faults)
    missing = total - left_out - unknown - twice - rows
    losses = {"without a diagnosis": left_out, "unknown label": unknown, "row repeated": twice, "no image": missing}
    return (
        ("rows in the table", total),
        *((reason, -count) for reason, count in losses.items() if count),
        ("records", rows),
    )


def _table_type(database: sqlite3.Connection) -> np.dtype:
    query = "SELECT coalesce(max(length(image_id)), 1), coalesce(max(length(grp)), 1) FROM row"
    id_width, group_width = database.execute(query).fetchone()
    return np.dtype(
        [("image_id", f"S{id_width}"), ("group", f"S{max(id_width, group_width)}"), ("label", "i2"), ("sex", "i2")]
        + [("age", "f4"), ("site", "i2"), ("part", "i1"), ("image", "i4"), ("mask", "i4")]
    )


def _sort_classes(table: np.ndarray, found: dict[str, int]) -> tuple[str, ...]:
    """Number the classes that were found by their sorted names."""
    names = sorted(found)
    renumbered = np.zeros(len(names), dtype=np.int16)
    for code, name in enumerate(names):
        renumbered[found[name]] = code
    table["label"] = renumbered[table["label"]]
    return tuple(names)


def _count(database: sqlite3.Connection, query: str) -> int:
    return int(database.execute(query).fetchone()[0])


def _bytes(text: str) -> bytes:
    return os.fsencode(text)
