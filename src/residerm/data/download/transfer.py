"""Download one file over HTTP; an interrupted download is resumed, also by a later run.

    GET address     Range: bytes=HAVE-     If-Range: VALIDATOR
    206             append: the file has not changed
    200             start again: the server does not support ranges, or the file has changed
    416             the file is complete, or has changed
    404, 403, …     this address fails
    interrupted, no response, 503, …     retry after a pause, a limited number of times

`NAME.partial` always contains the first bytes of the file whose address, validator (ETag, else Last-Modified) and
length are in `NAME.partial.json`. Bytes are only appended if the response has the same validator and length, and starts
where the partial file ends, so two versions of a file are never mixed.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path

import httpx
from rich.filesize import decimal

import residerm
from residerm.errors import ResidermError
from residerm.files import new_file
from residerm.progress import SILENT, Progress

_PASSING = {408, 425, 429, 500, 502, 503, 504}  # temporary errors
_PROGRESS = 2**20  # new bytes after which an attempt does not count as failed


class FetchError(ResidermError):
    """A file could not be fetched; the text says which, from where, and why."""


class UnreachableError(FetchError):
    """No connection to the address could be made."""


class _BrokenOffError(Exception):
    """An attempt failed, and can be repeated."""


@dataclass(frozen=True)
class Origin:
    """The address of a partial file, and the validator that shows whether the file has changed."""

    address: str
    validator: str | None
    total: int | None

    @classmethod
    def of(cls, address: str, response: httpx.Response) -> Origin:
        """The origin in a response. Weak ETags (W/"…") are ignored, because they do not identify every byte."""
        etag = response.headers.get("etag", "")
        validator = etag if etag.startswith('"') else response.headers.get("last-modified")
        return cls(address, validator, _length(response))

    def allows_resuming(self, address: str) -> bool:
        """Whether an address can resume the download: with an ETag, any address can; with a date, only the same."""
        return self.validator is not None and (self.address == address or self.validator.startswith('"'))

    def agrees_with(self, other: Origin) -> bool:
        """Whether both are of the same file."""
        return self.validator == other.validator and self.total in (None, other.total)


class Partial:
    """A partial file, with its origin in a second file."""

    def __init__(self, final: Path) -> None:
        self.name, self.path = final.name, final.with_name(f"{final.name}.partial")
        self._sidecar = final.with_name(f"{final.name}.partial.json")

    @property
    def size(self) -> int:
        """The number of downloaded bytes."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def origin(self) -> Origin | None:
        """The origin, or None if it is unknown."""
        try:
            return Origin(**json.loads(self._sidecar.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    @property
    def is_complete(self) -> bool:
        """Whether all bytes are downloaded."""
        return self.path.exists() and self.origin is not None and self.origin.total == self.size

    def begin(self, origin: Origin) -> None:
        """Start again. The file is emptied first, so that old bytes are never combined with a new origin."""
        self.path.write_bytes(b"")
        with new_file(self._sidecar, replace=True) as temporary:
            temporary.write_text(json.dumps(asdict(origin), indent=2), encoding="utf-8")

    def append(self, chunks: Iterator[bytes], at: Callable[[int], None]) -> None:
        """Append chunks as they arrive, and keep them if the transfer is interrupted."""
        with self.path.open("ab") as file:
            for chunk in chunks:
                file.write(chunk)
                at(file.tell())

    def discard(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)
        self._sidecar.unlink(missing_ok=True)

    def become(self, final: Path) -> None:
        """Rename it to its final name."""
        self.path.replace(final)
        self._sidecar.unlink(missing_ok=True)


def open_client() -> httpx.Client:
    """A client that follows redirects and requests no compression, because ranges refer to uncompressed bytes."""
    headers = {"Accept-Encoding": "identity", "User-Agent": f"residerm/{residerm.__version__}"}
    return httpx.Client(follow_redirects=True, timeout=httpx.Timeout(60, connect=15), headers=headers)


def ask_length(client: httpx.Client, address: str) -> int | None:
    """The length of the file at an address, or None if unknown.

    It is requested with a GET of one byte, because addresses that redirect to a signed link (Dataverse) refuse HEAD.
    """
    try:
        with client.stream("GET", address, headers={"Range": "bytes=0-0"}) as response:
            return _length(response) if response.is_success else None
    except httpx.HTTPError:
        return None


def transfer(
    client: httpx.Client,
    address: str,
    partial: Partial,
    progress: Progress = SILENT,
    *,
    length: int | None = None,
    attempts: int = 4,
    pause: float = 1.0,
) -> None:
    """Complete the partial file from one address.

    `attempts` is the number of consecutive failures without new bytes; the pause after each is doubled. `length` is
    that of the whole file, if it is known.
    """
    failed, furthest = 0, partial.size

    def at(done: int) -> None:
        progress.advance(f"fetching {partial.name}", done, length, unit="bytes")

    at(partial.size)
    while True:
        try:
            return _attempt(client, address, partial, at)
        except (httpx.TransportError, _BrokenOffError) as error:
            failed = 0 if partial.size >= furthest + _PROGRESS else failed + 1
            furthest = max(furthest, partial.size)
            failure = _failure(error, address, partial.size)
            if failed >= attempts:
                raise failure from error
            seconds = pause * 2 ** max(failed - 1, 0)
            progress.remark(f"{failure}; trying again in {seconds:g} s")
            time.sleep(seconds)
        except httpx.RequestError as error:
            raise FetchError(f"{address}: {error}") from error


def _attempt(client: httpx.Client, address: str, partial: Partial, at: Callable[[int], None]) -> None:
    """Request and append the missing bytes."""
    origin = partial.origin
    begun = origin if origin is not None and partial.size and origin.allows_resuming(address) else None
    headers = {"Range": f"bytes={partial.size}-", "If-Range": str(begun.validator)} if begun else {}
    with client.stream("GET", address, headers=headers) as response:
        _refuse_unless_useful(response, address)
        offered = Origin.of(address, response)
        if response.status_code == HTTPStatus.OK:
            partial.begin(offered)
        elif begun is None or not _continues(response, begun, offered, partial.size):
            partial.discard()
            raise _BrokenOffError("the file has changed since the download was started (another length or version)")
        if response.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            partial.append(response.iter_raw(), at)
    _require_all(partial, offered.total)


def _refuse_unless_useful(response: httpx.Response, address: str) -> None:
    """Raise for a response without bytes of the file. Messages name the original address, not signed redirects."""
    status = f"{response.status_code} {response.reason_phrase}".strip()
    if response.status_code in _PASSING:
        raise _BrokenOffError(f"the response is {status}")
    if response.status_code not in (200, 206, 416):
        raise FetchError(f"{address}: the response is {status}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise FetchError(f"{address}: the server sends the file compressed, although that was not accepted")


def _continues(response: httpx.Response, begun: Origin, offered: Origin, size: int) -> bool:
    """Whether a response starts exactly where the partial file ends, or says that nothing is missing."""
    if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return offered.total == size and begun.total in (None, size)
    starts_right: bool = response.headers.get("content-range", "").startswith(f"bytes {size}-")
    return starts_right and begun.agrees_with(offered)


def _require_all(partial: Partial, total: int | None) -> None:
    """Check the length, because some servers end a response early or send too much without an error."""
    if total is not None and partial.size != total:
        raise _BrokenOffError(f"it sent {partial.size:,} bytes of a file of {total:,}")


def _length(response: httpx.Response) -> int | None:
    """The length of the whole file, from Content-Range or, without ranges, from Content-Length."""
    found = re.search(r"/(\d+)$", response.headers.get("content-range", ""))
    if found:
        return int(found[1])
    length = response.headers.get("content-length", "")
    return int(length) if response.status_code == HTTPStatus.OK and length.isdigit() else None


def _failure(error: Exception, address: str, size: int) -> FetchError:
    """The error for a failed attempt."""
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)):
        reason = re.sub(r"^\[Errno -?\d+\] ", "", str(error))
        return UnreachableError(f"no connection to {httpx.URL(address).host} ({reason})")
    if isinstance(error, httpx.TransportError):
        how = "no answer any more" if isinstance(error, httpx.TimeoutException) else "the transfer broke off"
        return FetchError(f"{address}: {how} after {decimal(size)}")
    return FetchError(f"{address}: {error}")
