"""Records: one row per image, with its label, lesion or patient, attributes of the person, and file.

A layout defines the rows and the keys of the image files; `join.assemble` creates Records from them. Inconsistencies
are stored as faults, and the number of rows left out for each reason as the flow, which adds up exactly. Records and
faults are memory-mapped unnamed files, so that private memory does not grow with the archive.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

import numpy as np

from residerm.config import OnBadImage, Task
from residerm.errors import ArchiveError, UsageError, printable
from residerm.storage.scratch import paged
from residerm.storage.tree import Tree
from residerm.taxonomy import ClassMapping, mapping_for, unchanged, without

PARTS = ("train", "validation", "test")
BLOCKING = ("contradicting rows", "unknown label", "row without image", "two different files")


class Row(NamedTuple):
    """What an archive's tables say about one image. Empty texts, "unknown" and None mean unknown."""

    image_id: str
    label: str | None  # None: left out on purpose, such as "unknown"
    group: str = ""
    sex: str = ""
    age: float | None = None
    site: str = ""
    part: str = ""
    key: str = ""  # by which its file is found, if it is not the id
    spelling: str = ""  # the original label, in a generic layout


class Fault(NamedTuple):
    """An inconsistency in the archive."""

    kind: str
    image_id: str
    detail: str


class Faults:
    """All faults of an archive, and their number by kind."""

    def __init__(self, table: np.ndarray | None = None, counts: Mapping[str, int] | None = None) -> None:
        """`table` has the fields of `Fault`."""
        self._table = np.zeros(0, "S1,S1,S1") if table is None else table
        self.counts = counts or {}

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[Fault]:
        for line in self._table:
            yield Fault(*(printable(os.fsdecode(text)) for text in line.item()))


Files = Iterator[tuple[int, str]]  # number of a file in the tree, and the key of the row that it belongs to


@dataclass(frozen=True)
class Layout:
    """How one kind of archive is recognised and read; a new data set needs one of these."""

    name: str
    title: str
    licence: str
    citation: str
    recognises: Callable[[Tree], bool]
    rows: Callable[[Tree], Iterator[Row]]
    images: Callable[[Tree], Files]
    masks: Callable[[Tree], Files] = lambda _: iter(())
    classes: tuple[str, ...] | None = None  # None: the labels that occur, sorted
    task: Task = "diagnosis"
    grouped_by: str | None = None  # None in Records if no row has a group
    left_out: str = "unknown diagnosis"  # why rows have no label
    notes: tuple[str, ...] = ()
    synthetic: bool = False
    published: Mapping[str, int] = field(default_factory=dict)  # images of the whole archive, by part
    isic_ids: bool = False  # whether images are named by the ISIC Archive, the same in all of its archives


@dataclass(frozen=True)
class Records:
    """The images of an archive, in the order of its table."""

    layout: Layout
    tree: Tree
    table: np.ndarray = field(repr=False)  # image_id, group, label, sex, age, site, part, image, mask
    classes: tuple[str, ...]
    sexes: tuple[str, ...]
    sites: tuple[str, ...]
    task: Task
    faults: Faults = field(default_factory=Faults, repr=False)
    flow: tuple[tuple[str, int], ...] = ()
    mapping: ClassMapping | None = None
    merged: tuple[str, ...] = ()  # a sentence for each class that the archive spells in several ways
    shortage: tuple[str, ...] = ()  # a sentence if the archive is only a part of the published one

    def __len__(self) -> int:
        return len(self.table)

    @property
    def notes(self) -> tuple[str, ...]:
        """Caveats about the archive, including whether it is only a part of the published one."""
        return (*self.merged, *self.layout.notes, *self.shortage)

    @property
    def labels(self) -> np.ndarray:
        """Index of each image's class."""
        labels: np.ndarray = self.table["label"]
        return labels

    @property
    def groups(self) -> np.ndarray:
        """Each image's lesion or patient, or its own id if none is known."""
        groups: np.ndarray = self.table["group"]
        return groups

    def image_id(self, row: int) -> str:
        """The id of an image."""
        return printable(os.fsdecode(bytes(self.table["image_id"][row])))

    def group(self, row: int) -> str:
        """The lesion or patient of an image."""
        return printable(os.fsdecode(bytes(self.table["group"][row])))

    def read(self, row: int) -> bytes:
        """The bytes of an image's file."""
        return self.tree.read(int(self.table["image"][row]))

    def read_mask(self, row: int) -> bytes | None:
        """The bytes of an image's lesion mask, or None."""
        mask = int(self.table["mask"][row])
        return self.tree.read(mask) if mask >= 0 else None

    def where(self, row: int) -> str:
        """The path of an image, for messages."""
        return self.tree.where(int(self.table["image"][row]))

    def class_counts(self) -> dict[str, int]:
        """Number of images of each class, including empty classes."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    def require(self, on_bad_image: OnBadImage = "error") -> Records:
        """Raise `ArchiveError` for faults, unless they may be skipped; return self."""
        blocking = [kind for kind in BLOCKING if kind in self.faults.counts]
        if blocking and on_bad_image == "error":
            raise ArchiveError(
                f"{self.tree.path}: {'; '.join(map(self._describe_faults, blocking))}. See `residerm data check`; "
                "repair the archive, or skip them with `on_bad_image=skip`"
            )
        return self

    def _describe_faults(self, kind: str) -> str:
        """A text about one kind of fault: the number, the first few, and a hint."""
        count = self.faults.counts[kind]
        first = list(islice((fault for fault in self.faults if fault.kind == kind), 3))
        names = ", ".join(f"{fault.image_id} ({fault.detail})" for fault in first)
        more = f" and {count - len(first):,} more" if count > len(first) else ""
        hints = {
            "unknown label": f"; the classes are {', '.join(self.classes)}",
            "row without image": "; check that all zips or folders of images are next to the table",
        }
        return f"{count:,} × {kind}: {names}{more}{hints.get(kind, '')}"

    def for_task(self, task: Task | None, left_out: tuple[str, ...] = ()) -> Records:
        """The records with the classes of a task, without some classes; rows left out are counted in the flow."""
        if task in (None, self.task) and not left_out:
            return self
        asked = (*([f"task={task}"] if task else []), *(f"without={name}" for name in left_out))
        task = task or self.task
        mapping = unchanged(task, self.classes) if task == self.task else mapping_for(task, self.classes)
        mapping = without(mapping, left_out)
        codes = {name: code for code, name in enumerate(mapping.classes)}
        targets = [mapping.target(name) for name in self.classes]
        lookup = np.array([codes[target] if target is not None else -1 for target in targets], dtype=np.int16)
        kept = np.flatnonzero(lookup[self.labels] >= 0)
        if not len(kept):
            raise UsageError(f"{self.tree.path}: {' '.join(asked)} leaves none of the {len(self):,} images")
        table = paged(len(kept), self.table.dtype)
        np.take(self.table, kept, out=table, mode="clip")  # in place: any other mode takes a copy first
        table["label"] = lookup[table["label"]]
        loss = ((f"left out by {' '.join(asked)}", len(kept) - len(self)),) if len(kept) < len(self) else ()
        flow = (*self.flow, *loss, (f"records for {task}", len(kept)))
        return replace(self, table=table, classes=mapping.classes, task=task, flow=flow, mapping=mapping)
