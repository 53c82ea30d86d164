"""The common parts of the ISIC archives: names of ids and tables, lesion masks, one-hot labels.

Ids in tables and file names are converted to keys, so that case, blanks, a `.jpg` in the id and the `_downsampled` of
2019 do not matter. Pictures derived from an image, such as superpixels, are ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

from residerm.data.archives.records import Files
from residerm.data.archives.tables import Table, find_table, number
from residerm.errors import ArchiveError
from residerm.storage.scratch import scratch_database
from residerm.storage.tree import Tree, is_image

MELANOMA_OR_NOT = ("not_melanoma", "melanoma")
MELANOMA_NOTE = (
    'In this archive, "malignant" means melanoma: its classes are called melanoma and not_melanoma here, and its '
    "results cannot be compared with those of the task malignancy."
)
_DERIVED = re.compile(r".+_(segmentation|superpixels|attribute_\w+)")


def tidy(image_id: str) -> str:
    """An image id without the suffix of a file."""
    return image_id[: image_id.rfind(".")] if is_image(image_id) else image_id


def key(image_id: str) -> str:
    """The key of an id or a file name."""
    return tidy(image_id).strip().lower().removesuffix("_downsampled")


def find_images(tree: Tree) -> Files:
    """Every image that is not derived from another one."""
    return ((number, name) for number, name in _keyed(tree) if not _DERIVED.fullmatch(name))


def masks(tree: Tree) -> Files:
    """`ISIC_0024306_segmentation.png` is the lesion mask of ISIC_0024306."""
    suffix = "_segmentation"
    return ((number, name.removesuffix(suffix)) for number, name in _keyed(tree) if name.endswith(suffix))


def _keyed(tree: Tree) -> Files:
    return ((number, key(name.rpartition("/")[2])) for number, name in tree.images)


def spellings(table: str) -> tuple[str, ...]:
    """Patterns for the file name of a table: without suffix, with that of a text table, or of a second download."""
    return table, *(f"{table}*.{suffix}" for suffix in ("csv", "tab", "tsv", "txt"))


def has_table(tree: Tree, *tables: str) -> bool:
    """Whether one of these tables is there."""
    return any(tree.find(*spellings(table)) for table in tables)


def table_of(tree: Tree, table: str, columns: Sequence[str] | None = None) -> Table | None:
    """A table, if it is there."""
    return find_table(tree, *spellings(table), columns=columns) if has_table(tree, table) else None


def needed_table(tree: Tree, table: str) -> Table:
    """A table that must be there."""
    return table_of(tree, table) or _complain_without(tree, table)


def tables_of_parts(
    tree: Tree, tables: Mapping[str, str], columns: Sequence[str] | None = None
) -> Iterator[tuple[str, Table]]:
    """Each part whose table is there; at least one must be."""
    if not has_table(tree, *tables.values()):
        _complain_without(tree, *tables.values())
    for part, name in tables.items():
        if table := table_of(tree, name, columns):
            yield part, table


def _complain_without(tree: Tree, *tables: str) -> NoReturn:
    names = " or ".join(name.replace("*", "") for name in tables)
    raise ArchiveError(f"{tree.path} does not contain the table {names}: put it next to the images")


def marked(line: Mapping[str, str], classes: Sequence[str]) -> str:
    """The class whose column is 1; if there is not exactly one, a text for the error message."""
    found = [name for name in classes if number(line.get(name, "")) == 1]
    return found[0] if len(found) == 1 else " and ".join(found) or "no column marked"


def melanoma_or_not(text: str) -> str:
    """The class for "benign", "malignant", 0 or 1; any other text is returned, and is an unknown label."""
    code = {"benign": 0, "malignant": 1}.get(text.lower(), number(text))
    return MELANOMA_OR_NOT[int(code)] if code in (0, 1) else text


class Companion:
    """A second table of an archive, looked up by image; stored in a database in an unnamed temporary file."""

    def __init__(self, table: Table | None, column: str) -> None:
        """Read the table, if there is one; `column` holds the image ids."""
        self._database = scratch_database()
        self._database.execute("CREATE TABLE companion (key PRIMARY KEY, line) WITHOUT ROWID")
        lines = table.require(column) if table else ()
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT OR IGNORE INTO companion VALUES (?, ?)", ((key(line[column]), json.dumps(line)) for line in lines)
        )
        self._database.execute("COMMIT")

    def line(self, image_id: str) -> dict[str, str]:
        """The row of an image; empty if there is none."""
        query = "SELECT line FROM companion WHERE key = ?"
        found = self._database.execute(query, (key(image_id),)).fetchone()
        return json.loads(found[0]) if found else {}
