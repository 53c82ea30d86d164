"""`residerm calibrate`: fit a model's calibration and thresholds to another site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from residerm.cli.console import out, progress, show_json, show_table
from residerm.cli.options import Json
from residerm.config import CalibrateOptions
from residerm.disclaimer import DISCLAIMER

if TYPE_CHECKING:
    from residerm.trust import TrustSummary


def calibrate_(
    model: Path,
    *,
    options: Annotated[CalibrateOptions, Parameter(name="*")],
    output: Annotated[Path | None, Parameter(name="--out")] = None,
    json: Json = False,
) -> None:
    """Fit calibration, prediction sets and thresholds to labelled images from another site.

    Example: residerm calibrate runs/20260101-120000-resnet50-ham10000-64px-s0 --data our-clinic.csv --out calibrated

    Parameters
    ----------
    model
        A finished run, or a bundle.
    output
        Folder for the new bundle. Default: next to the old one, with the name of the archive.
    """
    from residerm.evaluation.calibrate import calibrate

    with progress() as shown:
        calibrated = calibrate(model, options, output, shown)
    if json:
        show_json(calibrated.summary.model_dump(mode="json"))
        return
    _show(calibrated.summary)
    out.print(f"bundle: {calibrated.bundle}\n{DISCLAIMER}")


def _show(summary: TrustSummary) -> None:
    rows = [
        [name, lesions, "its own" if name in summary.sets.by_class else "that of all lesions"]
        for name, lesions in summary.lesions_by_class.items()
    ]
    title = f"{summary.fitted_on}: {summary.images:,} images of {summary.lesions:,} lesions"
    show_table(title, ("class", "lesions", "threshold for prediction sets"), rows)
    for text in (*summary.figures, *summary.limits):
        out.print(text)
