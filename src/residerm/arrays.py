"""Read the arrays of npz files, including untrusted ones.

    arrays = read_arrays(path, most=2**28)

Nothing is unpickled, reading never blocks on a pipe, and no more bytes are read than the limit, however small the
compressed file is. An invalid file raises a `ValueError` that says why; one that cannot be opened raises an `OSError`.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from residerm.files import open_regular

# What zipfile and NumPy raise for damaged files; RuntimeError for an encrypted one.
_DAMAGED = (EOFError, KeyError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error)


def read_arrays(path: Path, most: int) -> dict[str, np.ndarray]:
    """Return all arrays of an npz file by name; refuse the file if they exceed `most` bytes in total."""
    with open_regular(path) as stream:
        try:
            with zipfile.ZipFile(stream) as packed:
                if sum(member.file_size for member in packed.infolist()) > most:
                    raise ValueError("it is larger than any that residerm writes")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as opened:
                arrays = {name: opened[name] for name in opened.files}
        except _DAMAGED as error:
            raise ValueError(str(error) or type(error).__name__) from error
    for name, values in arrays.items():
        if not isinstance(values, np.ndarray):
            raise ValueError(f"{name} is not an array")
    return arrays


def require_finite_arrays(arrays: dict[str, np.ndarray], infinite: tuple[str, ...] = ()) -> None:
    """Refuse values that are not finite, except in arrays whose names end with one of `infinite`."""
    for name, values in arrays.items():
        if values.dtype.kind == "f" and not name.endswith(infinite) and not np.isfinite(values).all():
            raise ValueError(f"{name} is not finite")
