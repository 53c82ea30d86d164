"""libtiff writes what it finds wrong with files to stderr, past Python. Pillow raises an error besides: that is enough.

Its handlers belong to the whole process: they are taken away once, for all threads, and nothing else is hidden.
"""

from __future__ import annotations

import ctypes
from functools import cache

from PIL import _imaging


@cache
def silence_libtiff() -> None:
    """Take away the handlers that print; where Pillow's libtiff cannot be reached, it goes on printing."""
    try:
        library = ctypes.CDLL(_imaging.__file__)  # what it is linked with is found through it
        handlers = (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler)
    except (OSError, AttributeError):
        return
    for handler in handlers:
        handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
        handler(None)
