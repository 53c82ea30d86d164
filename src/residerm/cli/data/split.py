"""`residerm data split`: split an archive into training, validation and test parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from residerm.cli.console import out, remarks, show_json, show_table
from residerm.cli.options import Archive, Json
from residerm.config import ArchiveOptions, SplitOptions


def split_(
    path: Archive,
    *,
    archive: Annotated[ArchiveOptions, Parameter(name="*")] = ArchiveOptions(),
    options: Annotated[SplitOptions, Parameter(name="*")] = SplitOptions(),
    out_: Annotated[Path | None, Parameter(name="--out")] = None,
    json: Json = False,
) -> None:
    """Split an archive into training, validation and test parts, with all images of a lesion in one part.

    Example: residerm data split HAM10000 --out split --split-seed 1

    Parameters
    ----------
    out_
        New folder for splits.csv, and for splits.json, which describes it.
    """
    from residerm.data.archives import open_for
    from residerm.data.split import divide, write_split

    records = open_for(path, archive)
    split = divide(records, options)
    if out_:
        write_split(split, records, out_)
    if json:
        show_json(split.proof.plain())
        return
    group = records.layout.grouped_by
    columns = ("part", "images", *([f"{group}s"] if group else []), *records.classes)
    rows = [
        (name, count.images, *([count.groups] if group else []), *count.classes.values())
        for name, count in split.proof.parts.items()
    ]
    show_table(f"{records.layout.title}, split by {options.split}", columns, rows)
    for sentence in split.remarks:
        out.print(sentence)
    out.print(f"SHA-256 of splits.csv: {split.proof.sha256}")
    if out_:
        remarks.print(f"written: {out_}/splits.csv and splits.json")
