"""The archives that residerm reads: a file for each layout, and `open_archive`, which recognises them.

A layout is recognised by the names of its tables, never by guessing from pictures.
"""

from __future__ import annotations

from pathlib import Path

from residerm.config import ArchiveOptions, Task
from residerm.data.archives.join import assemble
from residerm.data.archives.layouts import LAYOUTS, PLAIN, PUBLISHED, csv_table
from residerm.data.archives.records import Layout, Records
from residerm.errors import ArchiveError, UsageError, listed, nearest
from residerm.storage.tree import Tree


def open_archive(
    path: str | Path, *, layout: str | None = None, task: Task | None = None, without: tuple[str, ...] = ()
) -> Records:
    """Read an archive as it was downloaded, packed or unpacked, into Records.

    `path` is the folder that holds its files, one zip or npz, or a CSV table. The layout is recognised, or named
    by `layout`; `task` translates the classes, and those in `without` are left out. No image is decoded.
    """
    path = Path(path).expanduser()
    if layout is not None and layout not in LAYOUTS:
        raise UsageError(f"`layout={layout}`: there is none; known are {', '.join(LAYOUTS)}.{nearest(layout, LAYOUTS)}")
    return _assembled(path, layout).for_task(task, without)


def open_for(path: str | Path, options: ArchiveOptions) -> Records:
    """Read an archive as a command's options ask; faults that they do not allow are an error."""
    records = open_archive(path, layout=options.layout, task=options.task, without=options.without)
    return records.require(options.on_bad_image)


def recognise(tree: Tree) -> Layout:
    """The layout of the archive in a tree."""
    if not len(tree):
        raise ArchiveError(f"{tree.path} contains no files: give the folder of the archive's zips, tables and images")
    found = [layout for layout in PUBLISHED if layout.recognises(tree)]
    if len(found) > 1:
        names = ", ".join(layout.name for layout in found)
        raise ArchiveError(
            f"{tree.path} contains the tables of more than one archive ({names}): give the folder of one of them, or "
            "select one with `layout`"
        )
    for layout in (*found, *PLAIN):
        if layout.recognises(tree):
            return layout
    if csv_table.find_tables(tree) and any(True for _ in tree.images):
        return csv_table.LAYOUT  # which reports what is missing in its table
    documents = listed(name for _, name in tree.documents) or "no tables"
    raise ArchiveError(
        f"{tree.path} is not a known archive ({len(tree):,} files; {documents}): put the archive's own table next to "
        "its images, sort the images into a folder for each class, or give a CSV; "
        f"`layout` is one of {', '.join(LAYOUTS)}"
    )


def _assembled(path: Path, layout: str | None) -> Records:
    """The records of an archive, or of a table."""
    if path.suffix.lower() in csv_table.SUFFIXES and path.is_file():
        if layout not in (None, csv_table.LAYOUT.name):
            raise UsageError(f"`layout={layout}`: give the folder of {path.name} instead of the table")
        return assemble(Tree(path.parent), csv_table.layout_of(path))
    tree = Tree(path)
    _refuse_nested(tree)
    found = LAYOUTS[layout] if layout else recognise(tree)
    return assemble(tree, found)


def _refuse_nested(tree: Tree) -> None:
    """Refuse zips within a zip, as when several files are downloaded as one, because their content is not read."""
    nested = tree.find("*.zip", "*.npz")
    if nested:
        names = listed(tree.where(number) for number in nested)
        raise ArchiveError(
            f"{tree.path}: zips within a zip are not supported ({names}): unpack the outer one and give its folder"
        )
