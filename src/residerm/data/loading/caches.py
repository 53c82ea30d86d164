"""List and remove the caches of decoded images on this machine.

A cache is removed under its lock, so none is removed while a process is building it. A process that has mapped a cache
can read it until it exits.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from residerm.data.loading.cache import default_folder
from residerm.errors import UsageError, WriteError, system_reason

_PIXELS, _ABOUT = "pixels.raw", "cache.json"


@dataclass(frozen=True)
class StoredCache:
    """A cache on disk."""

    folder: Path
    images: int
    size: int  # pixels per side
    bytes: int
    used: str  # the date

    @property
    def name(self) -> str:
        """The hash of the files and of how they were decoded."""
        return self.folder.name

    def to_dict(self) -> dict[str, str | int]:
        """The cache as plain data, for JSON."""
        return {"folder": str(self.folder), "images": self.images, "size": self.size, "bytes": self.bytes,
                "used": self.used}  # fmt: skip


def find_caches(name: str | None = None, folder: Path | None = None) -> list[StoredCache]:
    """Find the finished caches, most recently used first; with a name, only those whose names start with it."""
    place = folder or default_folder()
    paths = sorted(place.glob(f"*/{_ABOUT}")) if place.is_dir() else []
    caches = [cache for path in paths if (cache := _stored(path.parent))]
    chosen = [cache for cache in caches if cache.name.startswith(name or "")]
    if name and not chosen:
        raise UsageError(f"{place} has no cache {name}: `residerm data cache` lists them")
    return sorted(chosen, key=lambda cache: cache.used, reverse=True)


def clear_caches(caches: list[StoredCache]) -> int:
    """Remove caches and return the number of bytes freed."""
    for cache in caches:
        try:
            with FileLock(cache.folder.parent / f"{cache.name}.lock", timeout=0):
                shutil.rmtree(cache.folder)
        except Timeout:
            raise WriteError(f"{cache.folder} is being built by another process: wait for it, or stop it") from None
        except OSError as error:
            raise WriteError(f"{cache.folder} cannot be removed: {system_reason(error)}") from error
    return sum(cache.bytes for cache in caches)


def _stored(folder: Path) -> StoredCache | None:
    """The cache in a folder, or None if it is damaged or something else."""
    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        status = (folder / _PIXELS).stat()
        day = time.strftime("%Y-%m-%d", time.localtime(max(status.st_atime, status.st_mtime)))
        return StoredCache(folder, int(about["images"]), int(about["spec"]["size"]), status.st_size, day)
    except (OSError, ValueError, KeyError, TypeError):
        return None
