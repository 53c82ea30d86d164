"""The identity of a model: a hash of everything in its bundle, independent of its name."""

from __future__ import annotations

import hashlib
from pathlib import Path


def bundle_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of a bundle's files, in the order of their names."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        whole.update(f"{path.name}\0".encode())
        with path.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()
