"""A folder for each class, the generic layout of image classification: `ROOT/[train|val|test/]CLASS/*.jpg`.

The id of an image is its path. The class folders must be siblings: in ROOT, in its parts, or in a folder that contains
all of them. A zip can be a part or a class of its name, or contain class folders. It is unknown which images show the
same lesion, so a split can only be by image; `residerm data check` finds copies.
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
                f"{tree.path}: it is not clear which folders are the classes: images are in {'/'.join(first)} and in "
                f"{'/'.join(folders)}; put all class folders into one folder, ROOT/[train|val|test/]CLASS/*.jpg"
            )
        parts = (part for folder in (*place.outer, *place.inner) if (part := part_of(folder)))
        yield Row(place.path, label=known(folders[-1]), part=next(parts, ""), spelling=folders[-1])


def find_images(tree: Tree) -> Files:
    """Every image, by its path."""
    return ((number, place.path) for number, place in image_places(tree))


def _folders(place: Place) -> tuple[str, ...]:
    """The folders of an image, except those of parts; the last one is the class."""
    inner = tuple(folder for folder in place.inner if not part_of(folder))
    return inner or tuple(folder for folder in place.outer[-1:] if not part_of(folder))


LAYOUT = Layout(
    name="folders",
    title="a folder for each class",
    licence="not stated: see where the images come from",
    citation="not stated: see where the images come from",
    recognises=lambda tree: any(_folders(place) for _, place in image_places(tree)),
    rows=rows,
    images=find_images,
)
