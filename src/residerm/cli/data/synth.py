"""`residerm data synth`: draw the synthetic archive."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from residerm.cli import console
from residerm.config import SyntheticOptions


def synth_(out: Path, *, options: Annotated[SyntheticOptions, Parameter(name="*")] = SyntheticOptions()) -> None:
    """Draw the synthetic archive: seven classes of lesions, with masks, in the layout of HAM10000.

    Example: residerm data synth archive --images 500

    Parameters
    ----------
    out
        New or empty folder for the archive.
    """
    from residerm.data.archives.layouts.ham10000 import SYNTHETIC_MARKER
    from residerm.data.synthetic import draw_archive

    with console.progress() as shown:
        draw_archive(out, options, shown)
    drawn = json.loads((out / SYNTHETIC_MARKER).read_text(encoding="utf-8"))
    classes = ", ".join(f"{name} {count:,}" for name, count in drawn["lesions_by_class"].items())
    counts = f"{drawn['images']:,} synthetic images of {drawn['lesions']:,} lesions"
    console.out.print(f"Drawn in {out}: {counts} ({classes}), with masks")
    console.out.print(f"Next: residerm data stats {shlex.quote(str(out))}")
