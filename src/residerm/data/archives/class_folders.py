"""A folder for each class: `ROOT/[train|val|test/]CLASS/*.jpg`, as any image classification comes.

An image's id is its path. There is nothing to tell which images show the same lesion, so that a split can only be by
image; `residerm data check` finds copies.
"""

from __future__ import annotations

from collections.abc import Iterator

from residerm.data.records import Layout, Row
from residerm.data.tree import Tree
from residerm.taxonomy import canonical

_PARTS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def place(name: str) -> tuple[str, str] | None:
    """Part ('' where there is none) and class of an image by its folders; None where it lies in no class folder."""
    folders = name.split("/")[:-1]
    if not folders:
        return None
    above = (_PARTS[folder.lower()] for folder in folders[:-1] if folder.lower() in _PARTS)
    return next(above, ""), folders[-1]


def rows(tree: Tree) -> Iterator[Row]:
    """A row for each image in a class folder."""
    for _, name in tree.images:
        where = place(name)
        if where and where[1].lower() not in _PARTS:
            yield Row(image_id=name, label=canonical(where[1]), part=where[0])


def _recognises(tree: Tree) -> bool:
    in_class = (where[1].lower() not in _PARTS for _, name in tree.images if (where := place(name)))
    return any(in_class) and not tree.find("*.csv", "*.tsv")


LAYOUT = Layout(
    name="folders",
    title="a folder for each class",
    licence="not stated: see where the images come from",
    citation="not stated: see where the images come from",
    recognises=_recognises,
    rows=rows,
    image_key=lambda name: name,
)
