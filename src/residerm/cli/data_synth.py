"""`residerm data synth`: the embedded archive, drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from residerm.cli.console import out as shown
from residerm.cli.console import progress
from residerm.config import SyntheticOptions


def synth_(out: Path, *, options: Annotated[SyntheticOptions, Parameter(name="*")] = SyntheticOptions()) -> None:
    """Draw the embedded synthetic archive: seven classes of lesions, with masks, in HAM10000's own layout.

    Example: residerm data synth archive --images 500

    Parameters
    ----------
    out
        New or empty folder for the archive.
    """
    from residerm.data.archives.ham10000 import SYNTHETIC_MARKER
    from residerm.data.synthetic import draw_archive

    with progress("drawing") as show:
        draw_archive(out, options, show)
    drawn = json.loads((out / SYNTHETIC_MARKER).read_text(encoding="utf-8"))
    classes = ", ".join(f"{name} {count:,}" for name, count in drawn["lesions_by_class"].items())
    shown.print(f"drawn: {drawn['images']:,} synthetic images of {drawn['lesions']:,} lesions ({classes}), with masks")
    shown.print(f"next: residerm data stats {out}")
