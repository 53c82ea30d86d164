"""The places of images below PATH, the same for packed and unpacked ones, and the names of parts.

A zip counts as a folder of its name, unless PATH is the zip itself, or its content is already in a folder of its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from residerm.storage.containers import Container, Folder
from residerm.storage.npz import Npz
from residerm.storage.tree import Tree

_PARTS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


class Place(NamedTuple):
    """The place of an image."""

    outer: tuple[str, ...]  # the folders that its zip lies in, and the zip; nothing where it is not packed
    inner: tuple[str, ...]  # the folders in the zip, or below PATH
    name: str

    @property
    def path(self) -> str:
        """The whole path, with slashes."""
        return "/".join((*self.outer, *self.inner, self.name))


def image_places(tree: Tree) -> Iterator[tuple[int, Place]]:
    """Number and place of every image that is a file."""
    outers = [_outer(tree, container) for container in tree.containers]
    containers = np.asarray(tree.files["container"])
    for number, name in tree.images:
        outer = outers[containers[number]]
        if outer is None:
            continue
        *inner, base = name.split("/")
        if outer and inner[:1] == [outer[-1]]:
            del inner[0]
        yield number, Place(outer, tuple(inner), base)


def part_of(name: str) -> str:
    """The part for the name of a folder or the text of a cell, or ''."""
    return _PARTS.get(name.strip().lower(), "")


def _outer(tree: Tree, container: Container) -> tuple[str, ...] | None:
    """A zip's place below PATH, as if it were a folder; None for an npz, whose images are rows of arrays."""
    if isinstance(container, Npz):
        return None
    if isinstance(container, Folder) or container.path == tree.path:
        return ()
    return container.path.relative_to(tree.path).with_suffix("").parts
