"""Load the model that is served."""

from __future__ import annotations

from pathlib import Path

from residerm.inference import load
from residerm.inference.bundle import find_bundle
from residerm.service.identity import Served, served


def load_served(model: str | Path, threads: int) -> Served:
    """Load a run, a bundle or `starter`, with its metadata."""
    return served(load(model, threads=threads), find_bundle(Path(model)))
