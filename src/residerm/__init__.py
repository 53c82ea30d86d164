"""residerm: residual networks for skin-lesion images. Not a medical device.

Everything that a command does is one function here; each is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_FUNCTIONS = {
    "Experiment": "residerm.config",
    "bench": "residerm.training.bench",
    "calibrate": "residerm.evaluation.calibrate",
    "demonstrate": "residerm.demo",
    "describe": "residerm.data.inspect.stats",
    "divide": "residerm.data.split",
    "evaluate": "residerm.evaluation",
    "explain": "residerm.explanation.explain",
    "export": "residerm.evaluation.export",
    "draw_archive": "residerm.data.synthetic",
    "draw_preview": "residerm.data.loading.preview",
    "fetch": "residerm.data.download.fetch",
    "load": "residerm.inference",
    "open_archive": "residerm.data.archives",
    "open_cache": "residerm.data.loading.cache",
    "predict": "residerm.inference.prediction",
    "resume": "residerm.training.session",
    "serve": "residerm.service",
    "train": "residerm.training.session",
}

__all__ = ["__version__", *sorted(_FUNCTIONS)]


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    raise AttributeError(f"module 'residerm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
