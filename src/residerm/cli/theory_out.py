"""Where the theory's figures go: a new folder that is whole or not at all, refused before the work if it is taken."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from residerm.atomic import new_folder


def figures_in(out: Path | None) -> AbstractContextManager[Path | None]:
    """The folder to draw into, or None where no figures are asked for."""
    return new_folder(out) if out else nullcontext()
