"""Fetch a public archive: every file whole and checked under its own name, or a message and a part to go on from.

    residerm data fetch ham10000 --out HAM10000

A file gets its final name only when it has its full length and its published hash, where there is one, opens where it
is a zip, and has the SHA-256 that `checksums.json` noted at its first complete download. Later runs check what is
there against the same, fetch only what is missing, and resume what was interrupted (see `transfer`).
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
from residerm.errors import WriteError, explain
from residerm.files import new_file, write_error
from residerm.progress import SILENT, Count, Progress

if TYPE_CHECKING:
    import httpx

    from residerm.data.download.catalogue import PublicArchive, RemoteFile

CHECKSUMS = "checksums.json"
_LOCK = ".fetch.lock"
_GO_ON = "what has arrived is kept, and the same command goes on from there"


def fetch(
    archive: str | PublicArchive,
    folder: str | Path | None = None,
    progress: Progress = SILENT,
    *,
    attempts: int = 4,
    pause: float = 1.0,
) -> Path:
    """Download what is missing of a public archive into a folder (default: its name), and give that folder.

    An address that breaks off is asked again, at most `attempts` times in a row, after `pause` seconds and twice as
    long each time; then the file's next address has its turn.
    """
    if isinstance(archive, str):
        from residerm.data.download.catalogue import find

        archive = find(archive)
    folder = Path(folder or archive.name).expanduser()
    with _alone_in(folder), open_client() as client:
        _Fetcher(client, folder, progress, attempts, pause).bring(archive.files)
    return folder


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Have the folder to this process alone; what was made in vain is removed."""
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
            f"another residerm is fetching into {folder}: wait until it is done, or choose another place with `out`"
        ) from error
    except OSError as error:
        raise write_error(folder, error) from error


class _Fetcher:
    """One run over the files of an archive."""

    def __init__(self, client: httpx.Client, folder: Path, progress: Progress, attempts: int, pause: float) -> None:
        self.client, self.folder, self.progress = client, folder, progress
        self.attempts, self.pause = attempts, pause
        self.checksums = _Checksums(folder / CHECKSUMS)
        self.lengths: dict[str, int] = {}

    def bring(self, files: tuple[RemoteFile, ...]) -> None:
        """Check what is here, and fetch the rest, if there is room for it."""
        here = [file for file in files if (self.folder / file.name).exists()]
        missing = [file for file in files if file not in here]
        failures = _failures(self._check_here, here)
        self._require_room(missing)
        failures += _failures(self._fetch, missing)
        if failures:
            raise FetchError(
                f"{'; '.join(failures)}. {len(files) - len(failures)} of {len(files)} files are complete; {_GO_ON}"
            )

    def _check_here(self, file: RemoteFile) -> None:
        path = self.folder / file.name
        try:
            self.checksums.note(file.name, self._check(path, file))
            self.progress.remark(f"{file.name} is complete")
        except FetchError as error:
            raise FetchError(f"{path} is there, but {error}; remove it, and it is fetched again") from error
        except OSError as error:
            raise FetchError(f"cannot read {path}: {explain(error)}") from error

    def _require_room(self, missing: Iterable[RemoteFile]) -> None:
        self.lengths = {file.name: self._length(file) for file in missing}
        to_come = sum(max(length - Partial(self.folder / name).size, 0) for name, length in self.lengths.items())
        free = shutil.disk_usage(self.folder).free
        if to_come > free:
            raise WriteError(
                f"no room in {self.folder}: {decimal(to_come)} are still to come, and its disk has {decimal(free)} "
                "free; make room, or choose another place with `out`"
            )

    def _length(self, file: RemoteFile) -> int:
        """How long a file is: as published, as its first server to answer says, or about; 0 is not known."""
        answers = (ask_length(self.client, address) for address in file.addresses)
        return file.size or next((length for length in answers if length is not None), file.about or 0)

    def _fetch(self, file: RemoteFile) -> None:
        """Bring one file, from the address where it was begun, or else from the first that gives it."""
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
        text = f"{file.name} could not be fetched: {'; '.join(dict.fromkeys(map(str, errors)))}"
        if all(isinstance(error, UnreachableError) for error in errors):
            raise UnreachableError(f"{text}. Try later: {_GO_ON}")
        raise FetchError(text)

    def _fetch_from(self, address: str, file: RemoteFile, partial: Partial) -> None:
        """Bring one file from one address, check it, and give it its name."""
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
                raise WriteError(f"{write_error(partial.path, error)}; {_GO_ON}") from error
        try:
            self.checksums.note(file.name, self._check(partial.path, file))
        except FetchError as error:
            partial.discard()
            raise FetchError(f"{address}: {error}; what came was removed") from error
        partial.become(self.folder / file.name)
        self.progress.remark(f"{file.name} is complete")

    def _check(self, path: Path, file: RemoteFile) -> str:
        """The file's SHA-256, if everything that is known of the file holds."""
        size = path.stat().st_size
        if file.size is not None and size != file.size:
            raise FetchError(f"it has {size:,} bytes, where {file.size:,} are published")
        digests = _digests(path, {"sha256", *file.published}, self.progress.count(f"checking {file.name}", "bytes"))
        for algorithm, published in file.published.items():
            if digests[algorithm] != published:
                raise FetchError(f"its {algorithm.upper()} is {digests[algorithm]}, where {published} is published")
        _require_readable(path, file.name)
        self.checksums.require(file.name, digests["sha256"])
        return digests["sha256"]


class _Checksums:
    """The SHA-256 of each file at its first complete download, by name, in a JSON file beside the data."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._noted = dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
        except ValueError as error:
            raise FetchError(f"{path} is damaged: remove it, and the checksums are noted again") from error

    def require(self, name: str, sha256: str) -> None:
        """Raise if a file is not the one that first came."""
        noted = self._noted.get(name, sha256)
        if noted != sha256:
            raise FetchError(
                f"its SHA-256 is {sha256}, where {self._path} noted {noted} at the first download "
                "(if it has been published again, remove it from there)"
            )

    def note(self, name: str, sha256: str) -> None:
        """Keep the hash of a file."""
        if self._noted.get(name) == sha256:
            return
        self._noted[name] = sha256
        with new_file(self._path, replace=True) as temporary:
            temporary.write_text(json.dumps(self._noted, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _failures(action: Callable[[RemoteFile], None], files: Iterable[RemoteFile]) -> list[str]:
    """Do it to each file; what went wrong with some. Without a connection the others need not be tried."""
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
    """Several hashes in one reading of the file."""
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
    """Raise for an empty file, a zip that does not open, or a web page that came in place of a table."""
    if path.stat().st_size == 0:
        raise FetchError("it is empty")
    if name.endswith((".zip", ".npz")):
        try:
            zipfile.ZipFile(path).close()
        except zipfile.BadZipFile as error:
            raise FetchError("it is cut short or no zip at all") from error
        return
    with path.open("rb") as file:
        if file.read(512).lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
            raise FetchError("it is a web page, not the file")
