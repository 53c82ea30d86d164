"""A table with a row for each image, a generic layout: CSV, TSV or TAB, in any common encoding.

    path | file | filename | file_name | filepath | image_path    path of the image
    image | image_id | image_name                                  its id: path or file name, with or without suffix
    label | class | dx | diagnosis | target                        its class
    group | patient_id | lesion_id                                 kept together by a split: the first that is present
    sex | gender,  age | age_approx,  site | localization | anatom_site_general[_challenge],  part | split

A column for the image and one for the label are required, the others are optional. Paths can be relative to the table's
folder or to one above the images, or absolute on another machine: as many folders are compared, from the file name
upwards, as the longest path in the table has in common with that of a file, ignoring case and suffix.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import takewhile
from pathlib import Path

from residerm.data.archives.layouts.isic import tidy
from residerm.data.archives.layouts.paths import image_places, part_of
from residerm.data.archives.records import Files, Layout, Row
from residerm.data.archives.tables import Table, number
from residerm.errors import ArchiveError, listed
from residerm.storage.containers import Folder
from residerm.storage.tree import Tree
from residerm.taxonomy import known

SUFFIXES = (".csv", ".tsv", ".tab")
_PATHS = ("path", "file", "filename", "file_name", "filepath", "image_path")
_IDS = ("image", "image_id", "image_name")
_LABELS = ("label", "class", "dx", "diagnosis", "target")
_GROUPS = ("group", "patient_id", "lesion_id")
_SEXES, _AGES = ("sex", "gender"), ("age", "age_approx")
_SITES = ("site", "localization", "anatom_site_general", "anatom_site_general_challenge")
_PARTS = ("part", "split")


def layout_of(path: Path) -> Layout:
    """The layout of one table, given by its path; the tree is that of its folder."""
    return replace(LAYOUT, rows=partial(rows, name=path.name), images=partial(find_images, name=path.name))


def rows(tree: Tree, name: str | None = None) -> Iterator[Row]:
    """A row for each line of the table."""
    table = _table(tree, name)
    place, label = _place_column(table), _needed(table, _LABELS, "label")
    image_id = _column(table, _IDS, "image id") or place
    group = next((column for column in _GROUPS if column in table.columns), "")
    sex, age = _column(table, _SEXES, "sex"), _column(table, _AGES, "age")
    site, part = _column(table, _SITES, "site"), _column(table, _PARTS, "part")
    depth = _depth(tree, table)
    for line in table:
        yield Row(
            image_id=line[image_id],
            label=known(line[label]),
            group=line.get(group, ""),
            sex=line.get(sex, ""),
            age=number(line.get(age, "")),
            site=line.get(site, ""),
            part=part_of(line.get(part, "")),
            spelling=line[label],
            key=_key(line[place], depth),
        )


def find_images(tree: Tree, name: str | None = None) -> Files:
    """Every image, with the part of its path that is compared."""
    depth = _depth(tree, _table(tree, name))
    return ((number, _key(place.path, depth)) for number, place in image_places(tree))


def find_tables(tree: Tree) -> list[int]:
    """Numbers of the candidate tables."""
    return tree.find(*(f"*{suffix}" for suffix in SUFFIXES))


def _recognises(tree: Tree) -> bool:
    """Whether a table has a column for the image and one for the label."""
    return any(_fits(tree, number) for number in find_tables(tree))


def _fits(tree: Tree, number: int) -> bool:
    try:
        columns = set(Table(tree, number).columns)
    except ArchiveError:  # another kind of table; if it is the only one, `rows` reports what is wrong with it
        return False
    return not columns.isdisjoint(_PATHS + _IDS) and not columns.isdisjoint(_LABELS)


def _table(tree: Tree, name: str | None) -> Table:
    """The table of this name in PATH's folder, or the only suitable one."""
    if name is not None:
        for number, document in tree.documents:
            if document == name and isinstance(tree.containers[tree.file(number).container], Folder):
                return Table(tree, number)
        raise ArchiveError(f"{tree.path / name} is hidden, because its name begins with a dot: rename it")
    found = find_tables(tree)
    fitting = [number for number in found if _fits(tree, number)] or found
    if len(fitting) != 1:
        names = listed(tree.where(number) for number in fitting) or "none"
        raise ArchiveError(f"{tree.path}: there must be one table of images and labels ({names}): give its path")
    return Table(tree, fitting[0])


def _place_column(table: Table) -> str:
    """The column that identifies the file: a path or an id."""
    return _column(table, _PATHS, "image's path") or _needed(table, _IDS, "image")


def _needed(table: Table, names: Sequence[str], meaning: str) -> str:
    if column := _column(table, names, meaning):
        return column
    raise ArchiveError(
        f"{table.name} has no column for the {meaning}: name one {' or '.join(names)}; its columns are "
        f"{', '.join(table.columns)}. If it belongs to a published archive, give the folder of the archive"
    )


def _column(table: Table, names: Sequence[str], meaning: str) -> str:
    """The column with one of these names, or '' if there is none; an error if there are two."""
    found = [name for name in names if name in table.columns]
    if len(found) > 1:
        raise ArchiveError(
            f"{table.name} has more than one column for the {meaning} ({', '.join(found)}): keep one, rename the rest"
        )
    return found[0] if found else ""


def _depth(tree: Tree, table: Table) -> int:
    """How many components, from the file name upwards, the longest path in the table shares with that of a file."""
    column = _place_column(table)
    longest = _parts(
        max((line[column] for line in table), key=lambda path: path.count("/") + path.count("\\"), default="")
    )
    alike = (place for _, place in image_places(tree) if place.name.lower().startswith(tuple(longest[-1:])))
    return max((_in_common(longest, _parts(place.path)) for place in alike), default=0) or 1


def _in_common(one: list[str], other: list[str]) -> int:
    pairs = zip(reversed(one), reversed(other), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _parts(path: str) -> list[str]:
    """Folders and name of a path, in lower case without suffix."""
    return [part for part in tidy(path).lower().replace("\\", "/").split("/") if part not in ("", ".", "..")]


def _key(path: str, depth: int) -> str:
    return "/".join(_parts(path)[-depth:])


LAYOUT = Layout(
    name="csv",
    title="a table of images",
    licence="not stated: see where the images come from",
    citation="not stated: see where the images come from",
    recognises=_recognises,
    rows=rows,
    images=find_images,
    grouped_by="group",
)
