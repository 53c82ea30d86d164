"""Download a public archive; an interrupted download can be resumed.

    residerm data fetch ham10000 --out HAM10000

A file gets its final name only after it was verified: its length, its published hash, if there is one, that a zip can
be opened, and the SHA-256 that `checksums.json` recorded at its first complete download. Later runs verify existing
files in the same way, download missing ones, and resume interrupted ones (see `transfer`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import filelock
from rich.filesize import decimal

from residerm.data.download.transfer import (
    FetchError,
    Partial,
    UnreachableError,
    ask_length,
    open_client,
    transfer,
)
from residerm.errors import WriteError, system_reason
from residerm.files import new_file, write_error
from residerm.progress import SILENT, Count, Progress

if TYPE_CHECKING:
    import httpx

    from residerm.data.download.catalogue import PublicArchive, RemoteFile

CHECKSUMS = "checksums.json"
_LOCK = ".fetch.lock"
_RESUMABLE = "what was downloaded is kept, and the same command resumes it"


def fetch(
    archive: str | PublicArchive,
    folder: str | Path | None = None,
    progress: Progress = SILENT,
    *,
    attempts: int = 4,
    pause: float = 1.0,
) -> Path:
    """Download the missing files of a public archive to a folder (default: its name), and return the folder.

    A failed address is retried at most `attempts` times in a row, after `pause` seconds, doubled each time; then the
    file's next address is tried.
    """
    if isinstance(archive, str):
        from residerm.data.download.catalogue import find_archive

        archive = find_archive(archive)
    folder = Path(folder or archive.name).expanduser()
    with _alone_in(folder), open_client() as client:
        _Fetcher(client, folder, progress, attempts, pause).bring(archive.files)
    return folder


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Lock the folder for this process; folders that were created and are still empty are removed."""
    try:
        made = [place for place in (folder, *folder.parents) if not place.exists()]
        if not made and not folder.is_dir():
            raise WriteError(f"{folder} is a file, not a folder: choose another place with `out`")
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / _LOCK, timeout=0):
            try:
                yield
            finally:
                (folder / _LOCK).unlink(missing_ok=True)
                with suppress(OSError):  # a folder that holds something stays
                    for place in made:
                        place.rmdir()
    except filelock.Timeout as error:
        raise WriteError(
            f"another process is downloading to {folder}: wait until it is finished, or choose another place with `out`"
        ) from error
    except OSError as error:
        raise write_error(folder, error) from error


class _Fetcher:
    """Downloads the files of an archive."""

    def __init__(self, client: httpx.Client, folder: Path, progress: Progress, attempts: int, pause: float) -> None:
        self.client, self.folder, self.progress = client, folder, progress
        self.attempts, self.pause = attempts, pause
        self.checksums = _Checksums(folder / CHECKSUMS)
        self.lengths: dict[str, int] = {}

    def bring(self, files: tuple[RemoteFile, ...]) -> None:
        """Verify existing files, and download the others if there is enough disk space."""
        here = [file for file in files if (self.folder / file.name).exists()]
        missing = [file for file in files if file not in here]
        failures = _failures(self._check_here, here)
        self._require_room(missing)
        failures += _failures(self._fetch, missing)
        if failures:
            raise FetchError(
                f"{'; '.join(failures)}. {len(files) - len(failures)} of {len(files)} files are complete; {_RESUMABLE}"
            )

    def _check_here(self, file: RemoteFile) -> None:
        path = self.folder / file.name
        try:
            self.checksums.note(file.name, self._check(path, file))
            self.progress.remark(f"{file.name} is complete")
        except FetchError as error:
            raise FetchError(f"{path} exists, but {error}; remove it to download it again") from error
        except OSError as error:
            raise FetchError(f"cannot read {path}: {system_reason(error)}") from error

    def _require_room(self, missing: Iterable[RemoteFile]) -> None:
        self.lengths = {file.name: self._length(file) for file in missing}
        to_come = sum(max(length - Partial(self.folder / name).size, 0) for name, length in self.lengths.items())
        free = shutil.disk_usage(self.folder).free
        if to_come > free:
            raise WriteError(
                f"not enough disk space in {self.folder}: {decimal(to_come)} are still to be downloaded, and "
                f"{decimal(free)} are free; free some space, or choose another place with `out`"
            )

    def _length(self, file: RemoteFile) -> int:
        """The length of a file: as published, as reported by a server, or approximate; 0 if unknown."""
        answers = (ask_length(self.client, address) for address in file.addresses)
        return file.size or next((length for length in answers if length is not None), file.about or 0)

    def _fetch(self, file: RemoteFile) -> None:
        """Download one file, first from the address where it was started, then from the others."""
        partial = Partial(self.folder / file.name)
        begun_at = partial.origin.address if partial.origin else None
        errors: list[FetchError] = []
        for address in sorted(file.addresses, key=lambda address: address != begun_at):
            if errors:
                self.progress.remark(f"{errors[-1]}; trying the next address")
            try:
                return self._fetch_from(address, file, partial)
            except FetchError as error:
                errors.append(error)
        text = f"{file.name} could not be downloaded: {'; '.join(dict.fromkeys(map(str, errors)))}"
        if all(isinstance(error, UnreachableError) for error in errors):
            raise UnreachableError(f"{text}. Try later: {_RESUMABLE}")
        raise FetchError(text)

    def _fetch_from(self, address: str, file: RemoteFile, partial: Partial) -> None:
        """Download one file from one address, verify it, and rename it."""
        if not partial.is_complete:
            try:
                transfer(
                    self.client,
                    address,
                    partial,
                    self.progress,
                    length=self.lengths[file.name] or None,
                    attempts=self.attempts,
                    pause=self.pause,
                )
            except OSError as error:
                raise WriteError(f"{write_error(partial.path, error)}; {_RESUMABLE}") from error
        try:
            self.checksums.note(file.name, self._check(partial.path, file))
        except FetchError as error:
            partial.discard()
            raise FetchError(f"{address}: {error}; it was removed") from error
        partial.become(self.folder / file.name)
        self.progress.remark(f"{file.name} is complete")

    def _check(self, path: Path, file: RemoteFile) -> str:
        """Verify a file, and return its SHA-256."""
        size = path.stat().st_size
        if file.size is not None and size != file.size:
            raise FetchError(f"it has {size:,} bytes instead of the published {file.size:,}")
        digests = _digests(path, {"sha256", *file.published}, self.progress.count(f"checking {file.name}", "bytes"))
        for algorithm, published in file.published.items():
            if digests[algorithm] != published:
                raise FetchError(
                    f"its {algorithm.upper()} is {digests[algorithm]} instead of the published {published}"
                )
        _require_readable(path, file.name)
        self.checksums.require(file.name, digests["sha256"])
        return digests["sha256"]


class _Checksums:
    """The SHA-256 of each file at its first complete download, in a JSON file next to the data."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._noted = dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
        except ValueError as error:
            raise FetchError(f"{path} is damaged: remove it to record the checksums again") from error

    def require(self, name: str, sha256: str) -> None:
        """Raise `FetchError` if a file differs from its first download."""
        noted = self._noted.get(name, sha256)
        if noted != sha256:
            raise FetchError(
                f"its SHA-256 is {sha256}, but {self._path} recorded {noted} at the first download "
                "(if a new version was published, remove it from there)"
            )

    def note(self, name: str, sha256: str) -> None:
        """Record the hash of a file."""
        if self._noted.get(name) == sha256:
            return
        self._noted[name] = sha256
        with new_file(self._path, replace=True) as temporary:
            temporary.write_text(json.dumps(self._noted, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _failures(action: Callable[[RemoteFile], None], files: Iterable[RemoteFile]) -> list[str]:
    """Apply an action to each file, and collect the errors; without a connection, stop at once."""
    failures = []
    for file in files:
        try:
            action(file)
        except UnreachableError:
            raise
        except FetchError as error:
            failures.append(str(error))
    return failures


def _digests(path: Path, algorithms: Iterable[str], count: Count) -> dict[str, str]:
    """Compute several hashes in one pass over the file."""
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    size = path.stat().st_size
    count(0, size)
    with path.open("rb") as file:
        while block := file.read(2**20):
            for found in hashes.values():
                found.update(block)
            count(file.tell(), size)
    return {name: found.hexdigest() for name, found in hashes.items()}


def _require_readable(path: Path, name: str) -> None:
    """Raise `FetchError` for an empty file, a damaged zip, or a web page instead of a table."""
    if path.stat().st_size == 0:
        raise FetchError("it is empty")
    if name.endswith((".zip", ".npz")):
        try:
            zipfile.ZipFile(path).close()
        except zipfile.BadZipFile as error:
            raise FetchError("it is truncated or not a zip") from error
        return
    with path.open("rb") as file:
        if file.read(512).lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
            raise FetchError("it is a web page, not the file")
