"""residerm: residual networks for skin-lesion images. Not a medical device.

Each command has one function here. Functions are imported on first use; `__init__.pyi` declares them for type checkers.
"""

from __future__ import annotations

import importlib

from residerm import telemetry

__version__ = "0.1.0"

_COMMANDS = (
    "bench", "bench_inference", "bench_service", "calibrate", "check", "clear_caches", "demo", "evaluate", "explain",
    "export", "fetch", "list_archives", "list_caches", "list_models", "list_runs", "predict", "preview", "resume",
    "serve", "split", "stats", "synth", "theory_check", "theory_depth", "theory_flow", "train", "train_folds",
    "train_members",
)  # fmt: skip
_MODULES = {
    "Dataset": "residerm.data.dataset",
    "Experiment": "residerm.config",
    "load": "residerm.inference",
    "open_archive": "residerm.data.archives",
    "open_cache": "residerm.data.loading.cache",
    **dict.fromkeys(_COMMANDS, "residerm.commands"),
}

__all__ = ["__version__", *sorted(_MODULES)]

telemetry.switch_off()


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'residerm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
