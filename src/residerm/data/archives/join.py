"""Join an archive's tables with its files: `assemble` creates Records from the rows of a layout and a tree.

The join is done in an SQLite database in an unnamed temporary file, so that private memory does not grow with the
archive. Rows and files are matched by keys. If two files have the same key, the first is used, packed before unpacked;
if two rows are equal, the first is used, and if they contradict each other, neither is. Each row becomes a record, or
is left out for the first reason in `_FATES` that applies.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from residerm.data.archives.records import PARTS, Fault, Faults, Files, Layout, Records, Row
from residerm.errors import ArchiveError, listed, printable
from residerm.storage.containers import Folder
from residerm.storage.scratch import from_query, scratch_database
from residerm.storage.tree import Tree

_MOST_NAMES = 10_000  # of classes, sexes or sites: a column with more must be another one
_UNKNOWN, _LEFT_OUT = -1, -2  # in place of the code of a label
_SAYS_NOTHING = frozenset({"unknown", "nan", "na", "n/a", "none", "null"})
_SEXES = {"m": "male", "f": "female"}

_TABLES = """
    CREATE TABLE row (key BLOB, id BLOB, label TEXT, code, grp BLOB, sex, age, site, part);
    CREATE TABLE file (mask, key BLOB, number, packed, size);
"""
_FATES = f"""
    CREATE INDEX row_key ON row (key);
    CREATE TABLE first AS SELECT mask, key, min(number) AS number, packed, size FROM file GROUP BY mask, key;
    CREATE INDEX first_key ON first (mask, key);
    CREATE VIEW image AS SELECT key, number FROM first WHERE mask = 0;
    CREATE VIEW mask AS SELECT key, number FROM first WHERE mask = 1;

    CREATE TABLE copy AS
        SELECT mask, key, first.number AS one, file.number AS other,
            mask = 0 AND file.packed = first.packed AND file.size <> first.size AS differs
        FROM file JOIN first USING (mask, key) WHERE file.number > first.number;
    CREATE TABLE rival AS SELECT key, one, min(other) AS other FROM copy WHERE differs GROUP BY key;

    CREATE TABLE twin AS
        SELECT key, min(rowid) AS first, min(code) <> max(code) AS labels, min(grp) <> max(grp) AS groups
        FROM row WHERE key IN (SELECT key FROM row GROUP BY key HAVING count(*) > 1) GROUP BY key;

    CREATE TABLE fate AS
        SELECT row.rowid AS row, CASE
            WHEN twin.labels OR twin.groups THEN 'contradicting rows'
            WHEN twin.first < row.rowid THEN 'repeated row'
            WHEN row.code = {_LEFT_OUT} THEN 'left out'
            WHEN row.code = {_UNKNOWN} THEN 'unknown label'
            WHEN image.number IS NULL THEN 'row without image'
            WHEN rival.key IS NOT NULL THEN 'two different files'
            ELSE 'record' END AS fate
        FROM row LEFT JOIN twin USING (key) LEFT JOIN image USING (key) LEFT JOIN rival USING (key);
"""
_FAULTS = """
    CREATE TABLE fault (kind TEXT, image_id BLOB, detail TEXT);
    INSERT INTO fault
        SELECT 'contradicting rows', id, CASE WHEN twin.labels
            THEN 'labelled ' || group_concat(DISTINCT coalesce(label, 'unknown'))
            ELSE 'of ' || group_concat(DISTINCT CAST(grp AS TEXT)) END
        FROM row JOIN twin USING (key) WHERE twin.labels OR twin.groups GROUP BY key ORDER BY first;
    INSERT INTO fault
        SELECT fate, id, CASE fate
            WHEN 'repeated row' THEN 'the first counts'
            WHEN 'unknown label' THEN CASE label WHEN '' THEN 'no label' ELSE quote(label) END
            WHEN 'row without image' THEN 'no file of that name'
            ELSE place(one) || ' and ' || place(other) END
        FROM fate JOIN row ON row.rowid = fate.row LEFT JOIN rival USING (key)
        WHERE fate NOT IN ('record', 'left out', 'contradicting rows') ORDER BY fate.row;
    INSERT INTO fault
        SELECT 'image without row', key, place(number)
        FROM image WHERE NOT EXISTS (SELECT 1 FROM row WHERE row.key = image.key) ORDER BY number;
    INSERT INTO fault
        SELECT 'two files', key, place(one) || ' counts, not ' || place(other)
        FROM copy WHERE NOT differs ORDER BY other;
"""
_RECORDS = """
    SELECT id, coalesce(nullif(grp, x''), id), code, sex, age, site, part, image.number, coalesce(mask.number, -1)
    FROM fate JOIN row ON row.rowid = fate.row JOIN image USING (key) LEFT JOIN mask USING (key)
    WHERE fate = 'record' ORDER BY fate.row
"""
_HERE = "SELECT part, count(DISTINCT key) FROM row JOIN image USING (key) GROUP BY part"  # also those left out
_GROUPED = "SELECT count(*) FROM fate JOIN row ON row.rowid = fate.row WHERE fate = 'record' AND grp <> x''"


def assemble(tree: Tree, layout: Layout) -> Records:
    """Join the rows of a layout with the files of the tree."""
    with scratch_database() as database:
        database.create_function("place", 1, tree.where)
        database.executescript(_TABLES)
        names, merged = _insert_rows(database, tree, layout)
        _insert_files(database, tree, layout.images(tree), mask=False)
        _insert_files(database, tree, layout.masks(tree), mask=True)
        database.executescript(_FATES + _FAULTS)
        fates = dict(database.execute("SELECT fate, count(*) FROM fate GROUP BY fate ORDER BY min(row)"))
        faults = _read_faults(database)
        if not fates.get("record"):
            raise _no_records(tree, layout, fates, faults)
        table = from_query(database, _RECORDS, _record_type(database), fates["record"])
        grouped = _count(database, _GROUPED) > 0
        here = Counter({PARTS[max(part, 0)]: count for part, count in database.execute(_HERE)})
    return Records(
        layout=layout if grouped else replace(layout, grouped_by=None),
        tree=tree,
        table=table,
        classes=layout.classes or _sort_classes(table, names["class"]),
        sexes=tuple(names["sex"]),
        sites=tuple(names["site"]),
        task=layout.task,
        faults=faults,
        flow=_flow(layout, fates),
        merged=merged,
        shortage=_shortage(layout, here),
    )


def _insert_rows(
    database: sqlite3.Connection, tree: Tree, layout: Layout
) -> tuple[dict[str, dict[str, int]], tuple[str, ...]]:
    """Insert the rows, with codes for repeated texts; return the names of the codes, and notes about merged labels."""
    names = {"class": {name: code for code, name in enumerate(layout.classes or ())}, "sex": {"": 0}, "site": {"": 0}}
    classes: dict[str, str] = {}  # those that differ by case alone are one, written as the first is
    spellings: dict[str, Counter[str]] = {}
    parts = {"": -1, **{name: code for code, name in enumerate(PARTS)}}

    def code(kind: str, name: str) -> int:
        if name not in names[kind] and len(names[kind]) == _MOST_NAMES:
            raise ArchiveError(
                f"{tree.path}: more than {_MOST_NAMES:,} different values of {kind}; is it the right column?"
            )
        return names[kind].setdefault(name, len(names[kind]))

    def class_code(label: str | None) -> int:
        if label is None:
            return _LEFT_OUT
        if layout.classes is not None or not label:
            return names["class"].get(label, _UNKNOWN)
        return code("class", classes.setdefault(label.casefold(), label))

    def cells(row: Row) -> tuple[object, ...]:
        key, image_id, group = (
            os.fsencode(text) for text in (row.key or row.image_id, row.image_id, _known_text(row.group))
        )
        label = None if row.label is None else printable(row.label)
        if label and row.spelling:
            spellings.setdefault(classes.get(label.casefold(), label), Counter())[row.spelling] += 1
        sex, site = _known_text(row.sex.lower()), _known_text(row.site.lower())
        codes = code("sex", _SEXES.get(sex, sex)), row.age, code("site", site), parts[row.part]
        return key, image_id, label, class_code(label), group, *codes

    database.execute("BEGIN")
    database.executemany("INSERT INTO row VALUES (?,?,?,?,?,?,?,?,?)", map(cells, layout.rows(tree)))
    database.execute("COMMIT")
    return names, tuple(_merged(name, found) for name, found in spellings.items() if len(found) > 1)


def _merged(name: str, spellings: Counter[str]) -> str:
    """A note about a class that is spelled in several ways, which may be meant as several classes."""
    labels = listed(f"{printable(spelling)} ({count:,})" for spelling, count in spellings.items())
    return f"The labels {labels} are read as one class, {name}: if they are different classes, rename them."


def _shortage(layout: Layout, here: Counter[str]) -> tuple[str, ...]:
    """A sentence if images of the published archive are missing; those without a part are for training."""
    whole = layout.published
    short = [
        f"{f'{here[part]:,}' if here[part] else 'none'} of its {count:,} {_kind(part) if len(whole) > 1 else 'images'}"
        for part, count in whole.items()
        if here[part] < count
    ]
    return (f"This is a part of {layout.title}: {listed(short)}.",) if short else ()


def _kind(part: str) -> str:
    return f"{'training' if part == 'train' else part} images"


def _known_text(text: str) -> str:
    """A text, or an empty one if it means "unknown"."""
    return "" if text.lower() in _SAYS_NOTHING else text


def _insert_files(database: sqlite3.Connection, tree: Tree, files: Files, *, mask: bool) -> None:
    """Insert the files with their keys."""
    packed = [not isinstance(container, Folder) for container in tree.containers]
    containers, sizes = np.asarray(tree.files["container"]), np.asarray(tree.files["size"])
    database.execute("BEGIN")
    database.executemany(
        "INSERT INTO file VALUES (?,?,?,?,?)",
        ((mask, os.fsencode(key), number, packed[containers[number]], int(sizes[number])) for number, key in files),
    )
    database.execute("COMMIT")


def _read_faults(database: sqlite3.Connection) -> Faults:
    counts = dict(database.execute("SELECT kind, count(*) FROM fault GROUP BY kind ORDER BY min(rowid)"))
    blobs = [f"CAST({name} AS BLOB)" for name in Fault._fields]
    widths = [_count(database, f"SELECT coalesce(max(length({blob})), 1) FROM fault") for blob in blobs]
    dtype = np.dtype([(name, f"S{width}") for name, width in zip(Fault._fields, widths, strict=True)])
    query = f"SELECT {', '.join(blobs)} FROM fault ORDER BY rowid"
    return Faults(from_query(database, query, dtype, sum(counts.values())), counts)


def _record_type(database: sqlite3.Connection) -> np.dtype:
    """The dtype of the records, with texts as wide as the longest."""
    id_width, group_width = database.execute("SELECT max(length(id)), max(length(grp)) FROM row").fetchone()
    kinds = {"image_id": f"S{id_width}", "group": f"S{max(id_width, group_width)}", "label": "i2", "sex": "i2"}
    kinds |= {"age": "f4", "site": "i2", "part": "i1", "image": "i4", "mask": "i4"}
    return np.dtype(list(kinds.items()))


def _sort_classes(table: np.ndarray, codes: Mapping[str, int]) -> tuple[str, ...]:
    """Number the classes that occur in the records, sorted by name."""
    present = set(np.unique(table["label"]).tolist())
    names = sorted(name for name, code in codes.items() if code in present)
    renumbered = np.zeros(len(codes), dtype=np.int16)
    for code, name in enumerate(names):
        renumbered[codes[name]] = code
    table["label"] = renumbered[table["label"]]
    return tuple(names)


def _flow(layout: Layout, fates: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """The number of rows in the table, of rows left out for each reason, and of records."""
    losses = tuple((fate, -count) for fate, count in fates.items() if fate != "record")
    named = tuple((layout.left_out if fate == "left out" else fate, count) for fate, count in losses)
    return ("rows in the table", sum(fates.values())), *named, ("records", fates["record"])


def _no_records(tree: Tree, layout: Layout, fates: Mapping[str, int], faults: Faults) -> ArchiveError:
    """An error that says why there are no records: no rows, no images, or no matches."""
    rows = sum(fates.values())
    if not rows:
        return ArchiveError(f"{tree.path}: with layout {layout.name}, it contains no labelled images")
    if next(tree.images, None) is None:
        return ArchiveError(
            f"{tree.path}: the table has {rows:,} rows, but there are no images: put the zips or folders of images "
            "next to the table, with the names under which they were published"
        )
    reasons = ", ".join(
        f"{count:,} × {layout.left_out if fate == 'left out' else fate}" for fate, count in fates.items()
    )
    example = next((f"; the first is {fault.image_id} ({fault.detail})" for fault in faults), "")
    return ArchiveError(f"{tree.path}: none of the {rows:,} rows has a labelled image: {reasons}{example}")


def _count(database: sqlite3.Connection, query: str) -> int:
    return int(database.execute(query).fetchone()[0])
