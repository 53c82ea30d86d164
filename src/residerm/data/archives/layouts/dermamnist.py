"""DermaMNIST: HAM10000 as squares of 28, 64, 128 or 224 pixels in one npz; 7,007, 1,003 and 2,005 images in its parts.

    dermamnist[_64|_128|_224].npz   {train,val,test}_images (n, side, side, 3) uint8, {train,val,test}_labels (n, 1)

Labels are indices of the classes in alphabetical order. Lesions are unknown, and its own split has images of one lesion
in several parts: scores on its test part are too high.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch

import numpy as np

from residerm.data.archives.layouts.ham10000 import CITATION, CLASSES
from residerm.data.archives.records import Files, Layout, Row
from residerm.errors import ArchiveError, listed
from residerm.storage.npz import Npz
from residerm.storage.tree import Tree

_NAME = "dermamnist*.npz"
_SIDES = (28, 64, 128, 224)
_PARTS = {"train": "train", "val": "validation", "test": "test"}


def rows(tree: Tree) -> Iterator[Row]:
    """A row for each label."""
    _, archive = _archive(tree)
    for prefix, part in _PARTS.items():
        for row, label in enumerate(_labels(archive, prefix)):
            name = CLASSES[label] if 0 <= label < len(CLASSES) else str(label)
            yield Row(image_id=f"{prefix}/{row:06d}", label=name, part=part)


def find_images(tree: Tree) -> Files:
    """Every row of the arrays of images."""
    container, archive = _archive(tree)
    for number, name in tree.images:
        if tree.files["container"][number] != container:
            continue
        if tree.files["size"][number] not in [3 * side**2 for side in _SIDES]:
            raise ArchiveError(
                f"{archive.path} is not DermaMNIST: its images are grey, or not 28, 64, 128 or 224 pixels square"
            )
        array, _, row = name.removesuffix(".ppm").partition("/")
        yield number, f"{array.removesuffix('_images')}/{row}"


def _labels(archive: Npz, prefix: str) -> np.ndarray:
    labels = archive.array(f"{prefix}_labels")
    if labels.ndim != 2 or labels.shape[1] != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ArchiveError(
            f"{archive.path} is not DermaMNIST: {prefix}_labels is {labels.dtype} of shape {labels.shape}, where one "
            "whole number a row should be"
        )
    return labels[:, 0]


def _archive(tree: Tree) -> tuple[int, Npz]:
    """Number and container of the npz with a matching name, or of the only one."""
    found = [(number, container) for number, container in enumerate(tree.containers) if isinstance(container, Npz)]
    named = [(number, npz) for number, npz in found if fnmatch(npz.path.name.lower(), _NAME)] or found
    if len(named) != 1:
        names = listed(npz.path.name for _, npz in named) or "none"
        raise ArchiveError(f"{tree.path}: layout dermamnist requires one npz ({names}): give its path")
    return named[0]


def _recognises(tree: Tree) -> bool:
    return any(fnmatch(container.path.name.lower(), _NAME) for container in tree.containers)


LAYOUT = Layout(
    name="dermamnist",
    title="DermaMNIST",
    published={"train": 7_007, "validation": 1_003, "test": 2_005},
    licence="CC BY-NC 4.0",
    citation="Yang et al.: MedMNIST v2 - A large-scale lightweight benchmark for 2D and 3D biomedical image "
    f"classification. Scientific Data 10:41 (2023), doi:10.1038/s41597-022-01721-8; {CITATION}",
    recognises=_recognises,
    rows=rows,
    images=find_images,
    classes=CLASSES,
    notes=(
        "DermaMNIST does not say which images show the same lesion, and its own split has images of one lesion on "
        "both sides: results on its test part are too good.",
    ),
)
