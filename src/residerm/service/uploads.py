"""Read the images of a request, from a multipart form or the body itself, into memory; no file is ever written.

The format of an image is detected from its content; the file name and the type that a client gives are ignored. Sizes
and counts are checked while bytes are received.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from residerm.errors import printable
from residerm.service.limits import Body, too_large
from residerm.service.problems import Problem

_HEADER_BYTES = 2000  # of a part
_NAME_LENGTH = 120
_TEXTS = ("text/", "application/json", "application/x-www-form-urlencoded", "application/xml", "video/", "audio/")


@dataclass
class Upload:
    """An image as it was sent, and its name in the answer."""

    name: str
    data: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class UploadLimits:
    """Limits of the size of a request and of the time it takes to arrive."""

    max_bytes: int
    max_files: int
    seconds: float


async def read_uploads(
    stream: AsyncIterator[bytes], headers: Mapping[str, str], limits: UploadLimits, body: Body
) -> list[Upload]:
    """Read the images of a request; raise a `Problem` if there are none, too many, or they are too large or slow."""
    require_readable(headers, limits.max_bytes)
    try:
        async with asyncio.timeout(limits.seconds):
            uploads = await _read(stream, headers.get("content-type", ""), limits, body)
    except TimeoutError:
        raise Problem("slow", f"the request did not arrive within {limits.seconds:g} seconds") from None
    if not uploads or not any(upload.data for upload in uploads):
        raise Problem("malformed", "there is no image in the request, or it is empty")
    return uploads


def require_readable(headers: Mapping[str, str], max_bytes: int) -> None:
    """Refuse a request by its headers, before its body is read, if it is too large or of an unsupported type."""
    kind = headers.get("content-type", "").lower()
    if kind.startswith(_TEXTS) or (kind.startswith("multipart/") and not kind.startswith("multipart/form-data")):
        raise Problem(
            "media-type",
            "send images as multipart/form-data, or one image as the body with its content type, such as image/jpeg",
        )
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem("media-type", "compressed bodies are not supported; send the image itself")
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > max_bytes:
        raise too_large(max_bytes)


def safe_name(sent: str, number: int) -> str:
    """The name of an image in answers: the last part of its path, printable and short."""
    name = printable(re.split(r"[/\\]", sent.replace("\0", ""))[-1]).strip()
    return name[:_NAME_LENGTH] if name.strip(".") else f"image {number}"


async def _read(stream: AsyncIterator[bytes], kind: str, limits: UploadLimits, body: Body) -> list[Upload]:
    if not kind.lower().startswith("multipart/"):
        whole = Upload("image 1")
        async for chunk in stream:
            body.grow(len(chunk))
            whole.data += chunk
        return [whole]
    form = _Form(limits.max_files)
    try:
        parser = MultipartParser(_boundary(kind), form.callbacks())
        async for chunk in stream:
            body.grow(len(chunk))
            parser.write(chunk)
        parser.finalize()
    except FormParserError:
        raise Problem("malformed", "the multipart form is damaged") from None
    if not form.ended:
        raise Problem("malformed", "the multipart form is cut short")
    return form.uploads


def _boundary(kind: str) -> bytes:
    _, parameters = parse_options_header(kind)
    boundary = parameters.get(b"boundary", b"")
    if not boundary or len(boundary) > 200:
        raise Problem("malformed", "the multipart form has no boundary")
    return boundary


class _Form:
    """Collects the images of a form: all parts with a file name or a type, whatever the name of their field."""

    def __init__(self, max_files: int) -> None:
        self.uploads: list[Upload] = []
        self.ended = False
        self._max_files = max_files
        self._parts, self._part = 0, Upload("")
        self._field, self._value, self._headers = b"", b"", dict[bytes, bytes]()
        self._header_bytes = 0

    def callbacks(self) -> Any:
        """The functions that the parser calls."""
        names = ("part_begin", "part_data", "header_field", "header_value", "header_end", "headers_finished", "end")
        return {f"on_{name}": getattr(self, f"_{name}") for name in names}

    def _part_begin(self) -> None:
        if self._parts >= self._max_files:
            raise Problem("too-large", f"the limit of a request is {self._max_files} images; send several requests")
        self._parts, self._part = self._parts + 1, Upload("")
        self._header_bytes, self._headers = 0, {}

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._part.data += memoryview(data)[start:end]

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field, self._value = b"", b""

    def _headers_finished(self) -> None:
        _, parameters = parse_options_header(self._headers.get(b"content-disposition", b""))
        sent = parameters.get(b"filename")
        if sent is None and b"content-type" not in self._headers:
            return  # a text field
        self.uploads.append(self._part)
        self._part.name = safe_name((sent or b"").decode("utf-8", "replace"), len(self.uploads))

    def _end(self) -> None:
        self.ended = True

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > _HEADER_BYTES:
            raise Problem("malformed", "the headers of a part of the form are too long")
