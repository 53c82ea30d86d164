"""residerm: residual networks for skin-lesion images. Not a medical device.

Everything that a command does is one function here; each is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_FUNCTIONS = {
    "describe": "residerm.data.stats",
    "divide": "residerm.data.split",
    "draw_archive": "residerm.data.synthetic",
    "draw_preview": "residerm.data.preview",
    "fetch": "residerm.data.fetch",
    "open_cache": "residerm.data.cache",
    "open_archive": "residerm.data.archives",
}

__all__ = ["__version__", "open_archive"]

if TYPE_CHECKING:
    from residerm.data.archives import open_archive


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    raise AttributeError(f"module 'residerm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
