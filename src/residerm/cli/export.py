"""`residerm export`: export a model for another runtime, or several models as an ensemble."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from residerm.cli.console import out, progress, show_json, show_table
from residerm.cli.options import Json
from residerm.config import ExportOptions

if TYPE_CHECKING:
    from residerm.inference.parity import ParityRecord


def export_(
    model: Path,
    /,
    *models: Path,
    output: Annotated[Path | None, Parameter(name="--out")] = None,
    options: Annotated[ExportOptions, Parameter(name="*")] = ExportOptions(),
    json: Json = False,
) -> None:
    """Export a model for ONNX Runtime or OpenVINO, and compare it with the original on real images.

    Example: residerm export runs/20260101-120000-resnet50-ham10000-64px-s0 --to onnx

    Parameters
    ----------
    model
        A finished run, or a bundle.
    models
        More models: the new bundle averages the probabilities of all of them.
    output
        Folder for the new bundle. Default: in exports/ in the folder of the run.
    """
    from residerm.evaluation.export import export

    with progress() as shown:
        exported = export([model, *models], output, options, shown)
    if json:
        show_json(exported.parity.model_dump(mode="json") if exported.parity else {})
        return
    if exported.parity:
        _show(exported.parity)
    out.print(f"bundle: {exported.folder}")
    out.print(f"Try it: residerm predict {exported.folder} IMAGE")


def _show(record: ParityRecord) -> None:
    rows = [
        [one.runtime, f"{one.logits:.1e}", f"{one.other_class} of {record.answers:,}", f"{one.milliseconds:.1f} ms"]
        for one in record.measured
    ]
    columns = ("runtime", "largest difference of a logit", "different class", "time per image")
    show_table(f"{record.computed_in}, compared with torch in float32, on {record.source}", columns, rows)
    for one in record.measured:
        for name, score in (one.scores or {}).items():
            interval = f"[{score.low:+.4f}, {score.high:+.4f}]"
            out.print(f"{one.runtime}: {name.replace('_', ' ')} {score.value:+.4f} {interval}")
