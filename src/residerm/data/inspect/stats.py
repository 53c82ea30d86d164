"""Count an archive: images and lesions by class, and classes by sex, age and site.

residerm data stats PATH --out FOLDER
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from residerm import figures
from residerm.data.archives.records import Records
from residerm.files import new_folder
from residerm.spreadsheet import Writer
from residerm.taxonomy import AGE_BANDS, NAMES, age_bands

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Breakdown:
    """Counts of images, with a row for each value and a column for each class."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float, ...], ...]


@dataclass(frozen=True)
class Statistics:
    """The statistics of an archive."""

    archive: str
    synthetic: bool
    images: int
    groups: int
    grouped_by: str | None
    images_in_groups_of_several: int
    masks: int
    licence: str
    citation: str
    notes: tuple[str, ...]
    flow: tuple[tuple[str, int], ...]
    by_class: Breakdown
    by_person: tuple[Breakdown, ...]


def describe(records: Records) -> Statistics:
    """Count an archive."""
    _, member, sizes = np.unique(records.groups, return_inverse=True, return_counts=True)
    return Statistics(
        archive=records.layout.title,
        synthetic=records.layout.synthetic,
        images=len(records),
        groups=len(sizes),
        grouped_by=records.layout.grouped_by,
        images_in_groups_of_several=int((sizes[member] > 1).sum()),
        masks=int((records.table["mask"] >= 0).sum()),
        licence=records.layout.licence,
        citation=records.layout.citation,
        notes=records.notes,
        flow=records.flow,
        by_class=_by_class(records),
        by_person=tuple(_by_person(records)),
    )


def write_statistics(statistics: Statistics, folder: Path) -> Path:
    """Write the figure of the class distribution, and every table as CSV, to a new folder."""
    with new_folder(folder) as partial:
        figures.save(draw_classes(statistics), partial / "classes.png")
        for breakdown in (statistics.by_class, *statistics.by_person):
            name = f"{breakdown.title.replace(' ', '_')}.csv"
            with (partial / name).open("w", newline="", encoding="utf-8") as stream:
                Writer(stream).rows([breakdown.columns, *breakdown.rows])
    return folder


def draw_classes(statistics: Statistics) -> Figure:
    """Draw the class distribution, with lesions if the archive has them."""
    rows = statistics.by_class.rows
    images = {str(row[0]): int(row[1]) for row in rows}
    groups = {str(row[0]): int(row[2]) for row in rows} if statistics.grouped_by else None
    title = f"{statistics.archive}: {statistics.images:,} images"
    if statistics.grouped_by:
        title += f" of {statistics.groups:,} {statistics.grouped_by}s"
    return figures.class_distribution(images, groups, title, statistics.grouped_by or "")


def _by_class(records: Records) -> Breakdown:
    rows = []
    for label, (name, count) in enumerate(records.class_counts().items()):
        groups = len(np.unique(records.groups[records.labels == label]))
        rows.append((name, count, groups, round(100 * count / len(records), 1), NAMES.get(name, "")))
    rows.sort(key=lambda row: -row[1])
    columns = ("class", "images", f"{records.layout.grouped_by or 'group'}s", "%", "name")
    return Breakdown("by class", columns, tuple(rows))


def _by_person(records: Records) -> Iterable[Breakdown]:
    """Classes by sex, age and site, if the archive has them."""
    names_of_bands = (*AGE_BANDS, "")
    bands = np.array([names_of_bands.index(band) for band in age_bands(records.table["age"])], dtype=int)
    for title, codes, names in (
        ("by sex", records.table["sex"], records.sexes),
        ("by age", bands, names_of_bands),
        ("by site", records.table["site"], records.sites),
    ):
        if any(names[code] for code in np.unique(codes)):
            yield _cross(records, title, codes, names)


def _cross(records: Records, title: str, codes: np.ndarray, names: tuple[str, ...]) -> Breakdown:
    counts = np.zeros((len(names), len(records.classes)), dtype=int)
    np.add.at(counts, (codes, records.labels), 1)
    rows = [(names[code] or "unknown", int(counts[code].sum()), *counts[code].tolist()) for code in range(len(names))]
    if title != "by age":
        rows.sort(key=lambda row: -row[1])
    present = tuple(row for row in rows if row[1])
    return Breakdown(title, (title.removeprefix("by "), "images", *records.classes), present)
