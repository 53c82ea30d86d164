"""A cache of decoded images, as a memory-mapped array.

Its key is a hash of the content (CRC-32 and size of each file, from the zip's directory, or stored by path, size and
modification time) and of the pixel spec, so a changed image or another size gives another cache, and the same archive,
packed or unpacked, gives the same one. One process builds a cache while others wait; what a killed process leaves is
never opened. Private memory does not grow with the archive, because threads write to the mapped file.

An unreadable image raises an error that names it, unless `on_bad_image` is "skip".
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from residerm import imaging
from residerm.config import OnBadImage, PixelSpec
from residerm.data.archives.records import Records
from residerm.errors import ArchiveError, ImageError, WriteError, listed
from residerm.files import new_folder, reserve, write_error
from residerm.parallel import in_chunks
from residerm.progress import SILENT, Progress

_PIXELS, _ABOUT = "pixels.raw", "cache.json"


@dataclass(frozen=True)
class Cache:
    """The decoded images of some records, in the same order."""

    folder: Path
    pixels: np.ndarray  # (rows, size, size, 3) uint8, mapped read-only
    unreadable: dict[int, str]  # row → reason; their pixels are black


def default_folder() -> Path:
    """The folder of the caches: RESIDERM_CACHE, or the user's cache folder."""
    own = os.environ.get("RESIDERM_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "residerm"


def open_cache(
    records: Records,
    spec: PixelSpec,
    *,
    on_bad_image: OnBadImage = "error",
    folder: Path | None = None,
    progress: Progress = SILENT,
) -> Cache:
    """Open the cache of these records with this spec; build it if it does not exist."""
    folder = folder or default_folder()
    place: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = folder / _key(records, spec, folder)
        with FileLock(folder / f"{place.name}.lock"):
            if not _is_whole(place, records, spec):
                _sweep(place)
                _build(place, records, spec, on_bad_image, progress)
    except OSError as error:
        if place is None or not _is_whole(place, records, spec):  # a finished cache may be shared and read-only
            raise _not_writable(folder, error) from error
    cache = _open(place, len(records), spec)
    _refuse_unreadable(records, cache.unreadable, on_bad_image)
    return cache


def _not_writable(folder: Path, error: OSError) -> WriteError:
    return WriteError(f"{write_error(folder, error)}; set RESIDERM_CACHE to another folder")


def _open(place: Path, rows: int, spec: PixelSpec) -> Cache:
    about = json.loads((place / _ABOUT).read_text(encoding="utf-8"))
    pixels = np.memmap(place / _PIXELS, np.uint8, mode="r", shape=(rows, spec.size, spec.size, 3))
    return Cache(place, pixels, {int(row): reason for row, reason in about["unreadable"].items()})


def _is_whole(place: Path, records: Records, spec: PixelSpec) -> bool:
    """Whether there is a finished, undamaged cache whose unreadable images, if any, are still unreadable."""
    try:
        cache = _open(place, len(records), spec)
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # missing, truncated or overwritten
        return False
    return all(_reason(records, row) is not None for row in cache.unreadable)


def _sweep(place: Path) -> None:
    """Remove what a killed process, or a build with images fixed since, left under this key; the lock must be held."""
    for remains in (place, *place.parent.glob(f".{place.name}.*.partial")):
        shutil.rmtree(remains, ignore_errors=True)


def _build(place: Path, records: Records, spec: PixelSpec, on_bad_image: OnBadImage, progress: Progress) -> None:
    with new_folder(place) as partial:
        pixels = _reserve(partial / _PIXELS, (len(records), spec.size, spec.size, 3))
        unreadable = _decode_all(records, spec, pixels, progress)
        _refuse_unreadable(records, unreadable, on_bad_image)
        pixels.flush()
        about = {"images": len(records), "spec": spec.model_dump(), "unreadable": unreadable}
        (partial / _ABOUT).write_text(json.dumps(about), encoding="utf-8")


def _reserve(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """A mapped array whose disk space is allocated now, so a full disk is an error here, not a crash while writing."""
    size = int(np.prod(shape))
    free = shutil.disk_usage(path.parent).free
    if free < size:
        raise WriteError(
            f"the cache needs {size / 1e6:,.1f} MB in {path.parent.parent}, where {free / 1e6:,.1f} MB are free: "
            "free some space, or set RESIDERM_CACHE to another folder"
        )
    with path.open("wb") as file:
        reserve(file, size)
    return np.memmap(path, np.uint8, mode="r+", shape=shape)


def _decode_all(records: Records, spec: PixelSpec, pixels: np.ndarray, progress: Progress) -> dict[int, str]:
    """Decode every record into its row."""
    unreadable: dict[int, str] = {}

    def decode(start: int, stop: int) -> None:
        for row in range(start, stop):
            try:
                pixels[row] = imaging.read(records.read(row), spec)
            except ImageError as error:
                unreadable[row] = str(error)

    in_chunks(len(records), decode, progress.count("decoding"))
    return dict(sorted(unreadable.items()))


def _reason(records: Records, row: int) -> str | None:
    """The reason why a record cannot be decoded, or None if it can."""
    try:
        with imaging.decoded(records.read(row)):
            return None
    except ImageError as error:
        return str(error)


def _refuse_unreadable(records: Records, unreadable: dict[int, str], on_bad_image: OnBadImage) -> None:
    if unreadable and on_bad_image == "error":
        names = listed((f"{records.where(row)}: {reason}" for row, reason in unreadable.items()), most=3)
        raise ArchiveError(
            f"{len(unreadable)} of {len(records):,} images cannot be read: {names}. "
            "Fix them, or leave them out with `on_bad_image=skip`"
        )


def _key(records: Records, spec: PixelSpec, folder: Path) -> str:
    """The name of a cache: a hash of the files and of how they are decoded."""
    digest = hashlib.sha256(f"{imaging.VERSION} {spec.model_dump_json()} {len(records)}".encode())
    for start in range(0, len(records), 4096):
        files = records.tree.files[records.table["image"][start : start + 4096]]
        crcs = files["crc"].copy()
        unknown = np.flatnonzero(crcs == 0)
        crcs[unknown] = remembered_crcs(records, start + unknown, folder) if len(unknown) else 0
        digest.update(crcs.tobytes() + files["size"].tobytes())
    return digest.hexdigest()[:32]


def remembered_crcs(records: Records, rows: np.ndarray, folder: Path) -> list[int]:
    """CRC-32 of files in a folder, computed once for each path, size and modification time."""
    memory = folder / "files.sqlite"
    try:
        return list(_looked_up(records, rows, memory))
    except sqlite3.OperationalError:  # a read-only folder: known values are read, others computed but not stored
        return list(_looked_up_only(records, rows, memory))
    except sqlite3.DatabaseError:  # damaged: everything in it can be recomputed
        memory.unlink(missing_ok=True)  # another process may have removed it already
        return list(_looked_up(records, rows, memory))


def _looked_up(records: Records, rows: np.ndarray, path: Path) -> Iterator[int]:
    with closing(sqlite3.connect(path, timeout=60)) as memory, memory:
        memory.execute("CREATE TABLE IF NOT EXISTS file (path PRIMARY KEY, size, changed, crc) WITHOUT ROWID")
        for row in rows.tolist():
            name, size, changed = _identity(records, row)
            crc = _known(memory, name, size, changed)
            if crc is None:
                crc = _crc(records, row)
                memory.execute("INSERT OR REPLACE INTO file VALUES (?,?,?,?)", (name, size, changed, crc))
            yield crc


def _looked_up_only(records: Records, rows: np.ndarray, path: Path) -> Iterator[int]:
    with closing(_read_only(path)) as memory:
        for row in rows.tolist():
            crc = _known(memory, *_identity(records, row))
            yield _crc(records, row) if crc is None else crc


def _read_only(path: Path) -> sqlite3.Connection:
    """The stored values, read-only; an empty database if there is none that can be read."""
    try:
        memory = sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)
        memory.execute("SELECT 1 FROM file LIMIT 1")
    except sqlite3.DatabaseError:
        memory = sqlite3.connect(":memory:")
        memory.execute("CREATE TABLE file (path PRIMARY KEY, size, changed, crc)")
    return memory


def _identity(records: Records, row: int) -> tuple[bytes, int, int]:
    """Path, size and modification time of an image file."""
    file = records.tree.file(int(records.table["image"][row]))
    path = records.tree.containers[file.container].path.absolute() / os.fsdecode(file.name)
    return os.fsencode(path), file.size, file.position


def _known(memory: sqlite3.Connection, name: bytes, size: int, changed: int) -> int | None:
    found = memory.execute("SELECT crc FROM file WHERE path = ? AND size = ? AND changed = ?", (name, size, changed))
    line = found.fetchone()
    return None if line is None else int(line[0])


def _crc(records: Records, row: int) -> int:
    try:
        return zlib.crc32(records.read(row))
    except ImageError:
        return 0
