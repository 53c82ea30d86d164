"""Checks before Pillow opens a file, to refuse files that would take too much time or memory to open.

Pillow reads markers, chunks and netpbm headers one by one in Python, so ten megabytes of empty ones take ten seconds;
and a WebP decoder allocates its canvas as soon as it is opened.
"""

from __future__ import annotations

import re

from residerm.errors import ImageError

_MOST_PARTS = 50_000  # segments of a JPEG, or chunks of a PNG; 250 MB in the usual 8 kB are 32,000
_FILL = re.compile(rb"\xff*")
_ALONE = {0x00, 0x01, *range(0xD0, 0xDA)}  # markers without a length, the second byte of each; and an escaped 0xFF
_START_OF_SCAN = 0xDA
_NETPBM = re.compile(rb"P(?:4(?:(?:\s|#[^\r\n]*[\r\n])+\d+){2}|[56](?:(?:\s|#[^\r\n]*[\r\n])+\d+){3})\s")
_NETPBM_HEADER = 4096  # bytes, comments included


def require_simple(data: bytes) -> None:
    """Refuse a file whose header has so many parts that reading it would take too long."""
    if data[:2] == b"\xff\xd8":
        _require_few_segments(data)
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        _require_few_chunks(data)
    elif data[:1] == b"P" and not _NETPBM.match(data[:_NETPBM_HEADER]):
        plain = ": a PPM in plain text is not supported; save it as PNG" if data[1:2] in (b"1", b"2", b"3") else ""
        raise ImageError(f"this is not an image, or its header is damaged{plain}")


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a WebP according to its header; None for other files."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    kind, head = data[12:16], data[20:30]
    if kind == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":
        return _little(head[6:8]) & 0x3FFF, _little(head[8:10]) & 0x3FFF
    if kind == b"VP8L" and head[:1] == b"\x2f":
        bits = _little(head[1:5])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X" and len(head) == 10:
        return _little(head[4:7]) + 1, _little(head[7:10]) + 1
    raise ImageError("this is not an image, or its header is damaged")


def _require_few_segments(jpeg: bytes) -> None:
    """Count the markers up to the first scan; stop at anything else, which Pillow reports."""
    at = 2
    for _ in range(_MOST_PARTS):
        if jpeg[at : at + 1] != b"\xff":
            return
        start, at = at, _FILL.match(jpeg, at).end()  # type: ignore[union-attr] # it matches at least the empty string
        if at - start > _MOST_PARTS:
            break
        marker = jpeg[at] if at < len(jpeg) else _START_OF_SCAN
        if marker == _START_OF_SCAN:
            return
        at += 1 if marker in _ALONE else 1 + max(2, int.from_bytes(jpeg[at + 1 : at + 3], "big"))
    raise ImageError("the image is damaged: its header does not end")


def _require_few_chunks(png: bytes) -> None:
    at = 8
    for _ in range(_MOST_PARTS):
        if at + 12 > len(png):
            return
        at += 12 + int.from_bytes(png[at : at + 4], "big")
    raise ImageError(f"the image is damaged: it has more than {_MOST_PARTS:,} chunks")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
