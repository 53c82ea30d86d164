"""What the theory's commands share: numbers that are checked as they are given, and the folder for the figures.

The folder is new, whole or not at all, and refused before the work if it is taken.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from residerm.files import new_folder

NotNegative = Annotated[int, Parameter(validator=validators.Number(gte=0, lt=2**32))]
Positive = Annotated[int, Parameter(validator=validators.Number(gte=1))]


def figures_in(out: Path | None) -> AbstractContextManager[Path | None]:
    """The folder to draw into, or None where no figures are asked for."""
    return new_folder(out) if out else nullcontext()
