"""Silence libtiff, which prints problems with files to stderr, bypassing Python; Pillow's exceptions are enough.

Its handlers are global to the process: they are removed once for all threads, and nothing else is hidden.
"""

from __future__ import annotations

import ctypes
from functools import cache

from PIL import _imaging


@cache
def silence_libtiff() -> None:
    """Remove the handlers that print; if Pillow's libtiff cannot be accessed, it keeps printing."""
    try:
        library = ctypes.CDLL(_imaging.__file__)  # gives access to the libraries that it is linked with
        handlers = (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler)
    except (OSError, AttributeError):
        return
    for handler in handlers:
        handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
        handler(None)
