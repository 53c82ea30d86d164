"""The model that is served, from where it is kept."""

from __future__ import annotations

from pathlib import Path

from residerm.inference import load
from residerm.inference.bundle import find_bundle
from residerm.service.identity import Served, served


def load_served(model: str | Path, threads: int) -> Served:
    """A model with its identity: a run, a bundle, or `starter`."""
    return served(load(model, threads=threads), find_bundle(Path(model)))
