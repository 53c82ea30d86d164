"""One file over HTTP, so that an interrupted download is resumed, by this run or by a later one.

    GET address     Range: bytes=HAVE-     If-Range: VALIDATOR
    206             append: the file there is still the one that was begun
    200             begin again: the server does not resume, or the file has changed
    416             nothing was missing, or the file has changed
    404, 403, …     this address will not do
    broken off, no answer, 503, …     the same again after a pause, a bounded number of times

`NAME.partial` always holds the first bytes of the file whose address, validator (ETag, else Last-Modified) and length
stand beside it in `NAME.partial.json`. Nothing is appended unless the answer names the same validator, the same
length and the place where the file ends so far: two versions of a file are never spliced.
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

_PASSING = {408, 425, 429, 500, 502, 503, 504}  # answers that may be another one in a moment
_PROGRESS = 2**20  # an attempt that brings as many new bytes as this was not in vain


class FetchError(ResidermError):
    """A file could not be fetched; the text says which, from where, and why."""


class UnreachableError(FetchError):
    """No connection to the address could be made."""


class _BrokenOffError(Exception):
    """This attempt failed; the next may not."""


@dataclass(frozen=True)
class Origin:
    """Where the bytes of a partial file come from, and what tells whether the file there is still the same."""

    address: str
    validator: str | None
    total: int | None

    @classmethod
    def of(cls, address: str, response: httpx.Response) -> Origin:
        """What an answer says of the file. A weak ETag (W/"…") does not vouch for every byte, so it does not count."""
        etag = response.headers.get("etag", "")
        validator = etag if etag.startswith('"') else response.headers.get("last-modified")
        return cls(address, validator, _length(response))

    def allows_resuming(self, address: str) -> bool:
        """Whether more may come from this address: an ETag is known at every copy, a date only where it was given."""
        return self.validator is not None and (self.address == address or self.validator.startswith('"'))

    def agrees_with(self, other: Origin) -> bool:
        """Whether both are the same file."""
        return self.validator == other.validator and self.total in (None, other.total)


class Partial:
    """A file on its way, with its origin beside it."""

    def __init__(self, final: Path) -> None:
        self.name, self.path = final.name, final.with_name(f"{final.name}.partial")
        self._sidecar = final.with_name(f"{final.name}.partial.json")

    @property
    def size(self) -> int:
        """How many bytes have arrived."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def origin(self) -> Origin | None:
        """Where they came from, or None where that is not known (any more)."""
        try:
            return Origin(**json.loads(self._sidecar.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    @property
    def is_complete(self) -> bool:
        """Whether every byte has arrived."""
        return self.path.exists() and self.origin is not None and self.origin.total == self.size

    def begin(self, origin: Origin) -> None:
        """Begin again at zero. It is emptied first, so that old bytes never stand under a new origin."""
        self.path.write_bytes(b"")
        with new_file(self._sidecar, replace=True) as temporary:
            temporary.write_text(json.dumps(asdict(origin), indent=2), encoding="utf-8")

    def append(self, chunks: Iterator[bytes], at: Callable[[int], None]) -> None:
        """Write what arrives; whatever ends it, what has arrived is kept."""
        with self.path.open("ab") as file:
            for chunk in chunks:
                file.write(chunk)
                at(file.tell())

    def discard(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)
        self._sidecar.unlink(missing_ok=True)

    def become(self, final: Path) -> None:
        """Give it its final name."""
        self.path.replace(final)
        self._sidecar.unlink(missing_ok=True)


def open_client() -> httpx.Client:
    """A client that follows redirects and takes bytes as they are: a range of a compressed answer has no meaning."""
    headers = {"Accept-Encoding": "identity", "User-Agent": f"residerm/{residerm.__version__}"}
    return httpx.Client(follow_redirects=True, timeout=httpx.Timeout(60, connect=15), headers=headers)


def ask_length(client: httpx.Client, address: str) -> int | None:
    """The length of the file at an address, or None where it does not say.

    Asked with a GET of one byte: addresses that redirect to a signed link (Dataverse) refuse a HEAD.
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
    """Bring the partial file to its full length from one address.

    `attempts` is how many may fail one after another without bringing anything new; the pause after each is twice
    the one before. `length` is the whole file's, where it is known.
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
    """Ask for what is missing, and take what comes."""
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
            raise _BrokenOffError("the file there is not the one whose first part came (another length or version)")
        if response.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            partial.append(response.iter_raw(), at)
    _require_all(partial, offered.total)


def _refuse_unless_useful(response: httpx.Response, address: str) -> None:
    """Raise where an answer holds no bytes of the file. The address is ours: a redirect may lead to a signed link."""
    status = f"{response.status_code} {response.reason_phrase}".strip()
    if response.status_code in _PASSING:
        raise _BrokenOffError(f"it answers {status}")
    if response.status_code not in (200, 206, 416):
        raise FetchError(f"{address}: it answers {status}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise FetchError(f"{address}: it sends the file compressed, though it was asked not to")


def _continues(response: httpx.Response, begun: Origin, offered: Origin, size: int) -> bool:
    """Whether an answer to a Range goes on exactly where the partial file ends, or says that nothing is missing."""
    if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return offered.total == size and begun.total in (None, size)
    starts_right: bool = response.headers.get("content-range", "").startswith(f"bytes {size}-")
    return starts_right and begun.agrees_with(offered)


def _require_all(partial: Partial, total: int | None) -> None:
    """Some servers end an answer early or send too much without an error that HTTP would notice."""
    if total is not None and partial.size != total:
        raise _BrokenOffError(f"it sent {partial.size:,} bytes of a file of {total:,}")


def _length(response: httpx.Response) -> int | None:
    """The length of the whole file, from Content-Range or, in an answer without ranges, from Content-Length."""
    found = re.search(r"/(\d+)$", response.headers.get("content-range", ""))
    if found:
        return int(found[1])
    length = response.headers.get("content-length", "")
    return int(length) if response.status_code == HTTPStatus.OK and length.isdigit() else None


def _failure(error: Exception, address: str, size: int) -> FetchError:
    """What to say of a failed attempt."""
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)):
        reason = re.sub(r"^\[Errno -?\d+\] ", "", str(error))
        return UnreachableError(f"no connection to {httpx.URL(address).host} ({reason})")
    if isinstance(error, httpx.TransportError):
        how = "no answer any more" if isinstance(error, httpx.TimeoutException) else "the transfer broke off"
        return FetchError(f"{address}: {how} after {decimal(size)}")
    return FetchError(f"{address}: {error}")
