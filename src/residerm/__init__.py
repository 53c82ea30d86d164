"""residerm: residual networks for skin-lesion images. Not a medical device.

Everything that a command does is one function here; each is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_COMMANDS = "residerm.commands"
_FUNCTIONS = {
    "Dataset": "residerm.data.dataset",
    "Experiment": "residerm.config",
    "bench": _COMMANDS,
    "calibrate": "residerm.evaluation.calibrate",
    "check": _COMMANDS,
    "demonstrate": "residerm.demo",
    "evaluate": _COMMANDS,
    "explain": "residerm.explanation.explain",
    "export": "residerm.evaluation.export",
    "fetch": "residerm.data.download.fetch",
    "load": "residerm.inference",
    "open_archive": "residerm.data.archives",
    "open_cache": "residerm.data.loading.cache",
    "predict": _COMMANDS,
    "preview": _COMMANDS,
    "resume": _COMMANDS,
    "serve": "residerm.service",
    "split": _COMMANDS,
    "stats": _COMMANDS,
    "synth": _COMMANDS,
    "train": _COMMANDS,
    "train_folds": _COMMANDS,
}

__all__ = ["__version__", *sorted(_FUNCTIONS)]


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    raise AttributeError(f"module 'residerm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
