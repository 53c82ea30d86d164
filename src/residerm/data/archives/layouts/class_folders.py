"""A folder for each class: `ROOT/[train|val|test/]CLASS/*.jpg`, as any image classification comes.

An image's id is its path. Class folders lie side by side: in ROOT, in its parts, or in a folder that holds all of
them. A zip may stand for a part or a class of its name, or hold class folders. There is nothing to tell which images
show the same lesion, so that a split can only be by image; `residerm data check` finds copies.
"""

from __future__ import annotations

from collections.abc import Iterator

from residerm.data.archives.layouts.paths import Place, image_places, part_of
from residerm.data.archives.records import Files, Layout, Row
from residerm.errors import ArchiveError
from residerm.storage.tree import Tree
from residerm.taxonomy import known


def rows(tree: Tree) -> Iterator[Row]:
    """A row for each image in a class folder."""
    first: tuple[str, ...] | None = None
    for _, place in image_places(tree):
        if not (folders := _folders(place)):
            continue
        first = first or folders
        if folders[:-1] != first[:-1]:
            raise ArchiveError(
                f"{tree.path}: it is not clear which folders are the classes: images lie in {'/'.join(first)} and in "
                f"{'/'.join(folders)}; put the folders of the classes side by side, ROOT/[train|val|test/]CLASS/*.jpg"
            )
        parts = (part for folder in (*place.outer, *place.inner) if (part := part_of(folder)))
        yield Row(place.path, label=known(folders[-1]), part=next(parts, ""), spelling=folders[-1])


def images(tree: Tree) -> Files:
    """Every image, by its path."""
    return ((number, place.path) for number, place in image_places(tree))


def _folders(place: Place) -> tuple[str, ...]:
    """The folders that an image lies in, the class last; those of parts do not count."""
    inner = tuple(folder for folder in place.inner if not part_of(folder))
    return inner or tuple(folder for folder in place.outer[-1:] if not part_of(folder))


LAYOUT = Layout(
    name="folders",
    title="a folder for each class",
    licence="not stated: see where the images come from",
    citation="not stated: see where the images come from",
    recognises=lambda tree: any(_folders(place) for _, place in image_places(tree)),
    rows=rows,
    images=images,
)
