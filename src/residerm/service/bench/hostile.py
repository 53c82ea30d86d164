"""Random malformed requests: images, headers, forms, lengths, methods and noise."""

from __future__ import annotations

import random
from collections.abc import Callable

_PATHS = (
    "/v1/predict",
    "/v1/explain",
    "/v1/explain?class=%00",
    "/v1/model",
    "/",
    "/../../etc/passwd",
    "/v1//predict",
    "*",
)
_METHODS = ("POST", "POST", "POST", "GET", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE", "BREW")
_TYPES = (
    "image/png",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "multipart/mixed; boundary=x",
    "application/json",
    "text/html",
    "application/dicom",
    "\xff\xfe",
    "a" * 5000,
)


class Hostile:
    """A stream of malformed requests."""

    def __init__(self, image: bytes, seed: int) -> None:
        """Create requests from a valid image and a seed."""
        self._image, self._draw = image, random.Random(seed)
        self._ways: tuple[Callable[[], tuple[bytes, bool]], ...] = (
            self._mutated,
            self._mutated,
            self._headers,
            self._form,
            self._length,
            self._route,
            self._cut,
            self._noise,
        )

    def request(self) -> tuple[bytes, bool]:
        """The next request, and whether to wait for its response."""
        return self._draw.choice(self._ways)()

    def _mutated(self) -> tuple[bytes, bool]:
        return _post(self._broken_image()), True

    def _headers(self) -> tuple[bytes, bool]:
        name = self._bytes(self._draw.randrange(1, 30)).replace(b"\n", b"").replace(b"\r", b"")
        value = self._bytes(self._draw.randrange(0, 300)).replace(b"\n", b"").replace(b"\r", b"")
        kind = self._draw.choice(_TYPES).encode("latin-1")
        extra = b"Content-Type: " + kind + b"\r\n" + (name + b": " + value + b"\r\n" if self._coin() else b"")
        return _post(self._broken_image(), extra), True

    def _form(self) -> tuple[bytes, bool]:
        parts = []
        for _ in range(self._draw.randrange(0, 20)):
            name = self._draw.choice((b"../../x.png", b"a\0b", b'"', b"\xff" * 50, b"x" * 3000))
            head = b'Content-Disposition: form-data; name="images"; filename="' + name + b'"\r\n'
            parts.append(b"--x\r\n" + (head if self._coin() else b"") + b"\r\n" + self._broken_image()[:2000] + b"\r\n")
        body = bytearray(b"".join(parts) + (b"--x--\r\n" if self._coin() else b""))
        for _ in range(self._draw.randrange(0, 3)):
            if body:
                body[self._draw.randrange(len(body))] = self._draw.randrange(256)
        return _post(bytes(body), b"Content-Type: multipart/form-data; boundary=x\r\n"), True

    def _length(self) -> tuple[bytes, bool]:
        length = self._draw.choice((b"-1", b"1e9", b"99999999999999999999", b"0", b"5", b"", b"0x10", b"200000000"))
        head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + length + b"\r\n\r\n"
        return head + self._image[:2000], length not in (b"",)

    def _route(self) -> tuple[bytes, bool]:
        method, path = self._draw.choice(_METHODS), self._draw.choice(_PATHS)
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n".encode("latin-1")
        return head + b"abcd", method != "HEAD"

    def _cut(self) -> tuple[bytes, bool]:
        whole = _post(self._image)
        return whole[: self._draw.randrange(1, len(whole))], False

    def _noise(self) -> tuple[bytes, bool]:
        return self._bytes(self._draw.randrange(1, 3000)) + b"\r\n\r\n", False

    def _broken_image(self) -> bytes:
        image = bytearray(self._image)
        for _ in range(self._draw.randrange(1, 20)):
            image[self._draw.randrange(len(image))] = self._draw.randrange(256)
        return bytes(image[: self._draw.randrange(1, len(image))] if self._coin() else image)

    def _bytes(self, size: int) -> bytes:
        return self._draw.randbytes(size)

    def _coin(self) -> bool:
        return self._draw.random() < 0.5


def _post(body: bytes, extra: bytes = b"") -> bytes:
    length = str(len(body)).encode()
    return (
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + length + b"\r\n" + extra + b"\r\n" + body
    )
