"""The model that is served, from where it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from residerm.inference import load
from residerm.inference.bundle import find_bundle
from residerm.service.findings import Serving
from residerm.service.identity import Served, served


def load_served(model: str | Path, threads: int) -> Served:  # noqa: ARG001
    """A model with its identity: a run, a bundle, or `starter`."""
    return served(cast(Serving, load(model)), find_bundle(Path(model)))
