"""The archives that residerm reads: a file for each layout, and `open_archive`, which recognises them.

A layout is recognised by the names of its tables, never by guessing from pictures. The plain layouts (a folder for
each class, a CSV table) are considered only where none of the published ones fits.
"""

from __future__ import annotations

from pathlib import Path

from residerm.config import ArchiveOptions, Task
from residerm.data.archives import class_folders, ham10000
from residerm.data.records import Layout, Records, assemble
from residerm.data.tree import Tree
from residerm.errors import ArchiveError, UsageError, listed, nearest

PUBLISHED = (
    ham10000.LAYOUT,
    ham10000.SYNTHETIC,
)
PLAIN = (class_folders.LAYOUT,)
LAYOUTS = {layout.name: layout for layout in (*PUBLISHED, *PLAIN)}


def open_archive(
    path: str | Path, *, layout: str | None = None, task: Task | None = None, without: tuple[str, ...] = ()
) -> Records:
    """Read an archive as it was downloaded, packed or unpacked, into Records.

    `path` is the folder that holds its files, one zip or npz, or a CSV table. The layout is recognised, or named
    by `layout`; `task` translates the classes, and those in `without` are left out. No image is decoded.
    """
    path = Path(path).expanduser()
    if layout is not None and layout not in LAYOUTS:
        raise UsageError(f"--layout {layout}: there is none; known are {', '.join(LAYOUTS)}.{nearest(layout, LAYOUTS)}")
    tree = Tree(path)
    return assemble(tree, LAYOUTS[layout] if layout else recognise(tree)).for_task(task, without)


def open_for(path: str | Path, options: ArchiveOptions) -> Records:
    """Read an archive as a command's options ask; faults that they do not allow are an error."""
    records = open_archive(path, layout=options.layout, task=options.task, without=options.without)
    return records.require(options.on_bad_image)


def recognise(tree: Tree) -> Layout:
    """The one layout whose files are here."""
    if not len(tree):
        raise ArchiveError(f"{tree.path} holds no files: PATH is the folder of the archive's zips, tables and images")
    for layouts in (PUBLISHED, PLAIN):
        found = [layout for layout in layouts if layout.recognises(tree)]
        if len(found) > 1:
            names = ", ".join(layout.name for layout in found)
            raise ArchiveError(f"{tree.path} holds the tables of more than one archive ({names}): name one by --layout")
        if found:
            return found[0]
    documents = listed(name for _, name in tree.documents) or "no tables"
    raise ArchiveError(
        f"{tree.path} is no archive that is known ({len(tree):,} files; {documents}): put the archive's own table "
        "beside its images, sort the images into a folder for each class, or give a CSV; "
        f"--layout names one of {', '.join(LAYOUTS)}"
    )
