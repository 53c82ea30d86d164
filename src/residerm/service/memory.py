"""Memory of large images that goes back to the operating system as soon as they have been decoded.

By default, glibc raises the size from which it maps a block of its own to that of the largest freed block, up to 32 MB.
After one large image, the pixels of all later ones lie in the heaps of the decoding threads, which keep hundreds of
megabytes (figures in `dev/LOG.md`). A fixed size, and few heaps, keep the memory constant.
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_MAPPED_FROM = 4 * 2**20  # bytes: more than the pixels of a batch, less than those of a large image
_KEPT = 8 * 2**20  # bytes at the top of a heap
_HEAPS = 2


def return_freed_memory() -> None:
    """Fix the limits of glibc's allocator; other C libraries are left as they are."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for parameter, value in (
            (_M_MMAP_THRESHOLD, _MAPPED_FROM),
            (_M_TRIM_THRESHOLD, _KEPT),
            (_M_ARENA_MAX, _HEAPS),
        ):
            mallopt(parameter, value)
