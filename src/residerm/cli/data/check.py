"""`residerm data check`: find the defects of an archive."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from residerm.cli.console import out, progress, remarks, show_json, show_table
from residerm.cli.flags import with_flags
from residerm.cli.options import Archive, Json
from residerm.config import SplitOptions
from residerm.files import new_file

if TYPE_CHECKING:
    from residerm.data.inspect.check import CheckReport, Finding

_MOST_PAIRS = 10


def check_(
    path: Archive,
    *,
    layout: str | None = None,
    split: Annotated[SplitOptions, Parameter(name="*")] = SplitOptions(),
    out_: Annotated[Path | None, Parameter(name="--out")] = None,
    json: Json = False,
) -> int:
    """Check an archive for missing, damaged and unusual files and for duplicates; exit code 1 if there are errors.

    Finds images and masks that are missing, damaged or unusual, inconsistent rows, and images that appear under two
    ids, exactly or nearly (re-encoded, scaled, rotated, cropped), and whether a split would put them in two parts.
    Errors are certain and invalidate results, warnings should be inspected, notes are normal.

    Example: residerm data check HAM10000 --out findings.csv

    Parameters
    ----------
    layout
        Layout of the archive, if it is not recognised automatically.
    out_
        New CSV file for all findings, one per row.
    """
    from residerm.data.archives import open_archive
    from residerm.data.inspect.check import check_archive, write_findings

    with new_file(out_) if out_ else nullcontext() as partial:  # so that an existing file is refused at the start
        with progress() as shown:
            report = check_archive(open_archive(path, layout=layout), split, shown)
        if partial:
            write_findings(report, partial)
    if json:
        show_json(report.to_dict())
    else:
        _show(report)
    if out_:
        remarks.print(f"written: {out_}")
    return 1 if report.count("error") else 0


def _show(report: CheckReport) -> None:
    """Print the findings by kind, the copies, and the pairs to inspect."""
    out.print(f"{report.archive}: {report.images:,} images, {report.masks:,} masks")
    kinds = report.kinds()
    if kinds:
        lines = [(kind, severity, len(found), _first(found)) for (severity, kind), found in kinds.items()]
        show_table("Findings", ("finding", "severity", "number", "first"), lines)
    copies = report.copies()
    if copies:
        counted = [(f"{kind}, {_across(same, report)}", *counts) for (kind, same), counts in copies.items()]
        show_table("The same image under two ids", ("", "pairs", "labels differ", "in two parts"), counted)
    suspects = [found for found in report.findings if found.other_id and found.severity != "note"]
    if suspects:
        shown = suspects[:_MOST_PAIRS]
        rest = f" (the first {len(shown)} of {len(suspects):,})" if len(suspects) > len(shown) else ""
        columns = ("image", "other", "distance", "labels", "parts")
        show_table(f"Pairs to inspect{rest}", columns, [_pair(found) for found in shown])
    for note in report.notes:
        out.print(f"Note: {note}")
    out.print(with_flags(report.split))
    counts = {severity: report.count(severity) for severity in ("error", "warning", "note")}
    out.print(
        ", ".join(f"{count:,} {severity}{'s' * (count != 1)}" for severity, count in counts.items()), style="bold"
    )


def _first(found: list[Finding]) -> str:
    image_id, detail = found[0].image_id, found[0].detail
    return f"{image_id} ({detail})" if image_id and detail else image_id or detail


def _across(same_group: str, report: CheckReport) -> str:
    group = report.grouped_by
    return {"yes": f"same {group}", "no": f"different {group}s", "": "lesions unknown"}[same_group]


def _pair(found: Finding) -> tuple[str, ...]:
    labels = " / ".join(dict.fromkeys((found.label, found.other_label)))
    parts = " / ".join(dict.fromkeys((found.part, found.other_part)))
    return found.image_id, found.other_id, f"{found.distance:.3f}", labels, parts
