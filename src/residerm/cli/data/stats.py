"""`residerm data stats`: count the images and lesions of an archive."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from residerm.cli.console import out, remarks, show_json, show_table
from residerm.cli.options import Archive, Json
from residerm.config import ArchiveOptions


def stats_(
    path: Archive,
    *,
    archive: Annotated[ArchiveOptions, Parameter(name="*")] = ArchiveOptions(),
    out_: Annotated[Path | None, Parameter(name="--out")] = None,
    json: Json = False,
) -> None:
    """Count an archive by class, sex, age and site, and draw its class distribution.

    Example: residerm data stats HAM10000 --out statistics

    Parameters
    ----------
    out_
        New folder for the figure, classes.png, and the tables as CSV.
    """
    from residerm.data.archives import open_for
    from residerm.data.inspect.stats import describe, write_statistics

    statistics = describe(open_for(path, archive))
    if out_:
        write_statistics(statistics, out_)
    if json:
        show_json(asdict(statistics))
        return
    named = f" of {statistics.groups:,} {statistics.grouped_by}s" if statistics.grouped_by else ""
    out.print(f"{statistics.archive}: {statistics.images:,} images{named}, {statistics.masks:,} masks")
    if statistics.grouped_by:
        several = statistics.images_in_groups_of_several
        out.print(f"{several:,} images share their {statistics.grouped_by} with another")
    else:
        out.print("The archive does not say which images show the same lesion: a split can only be by image.")
    for breakdown in (statistics.by_class, *statistics.by_person):
        show_table(breakdown.title, breakdown.columns, breakdown.rows)
    for note in statistics.notes:
        out.print(f"Note: {note}")
    out.print(f"Licence: {statistics.licence}. Cite: {statistics.citation}")
    if out_:
        remarks.print(f"written: {out_}/classes.png and the tables as CSV")
