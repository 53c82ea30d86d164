"""Who may ask, and what browsers are told: token, host, origin, and the headers of every answer.

A service on loopback is still within reach of every page that a browser has open. So a request that comes from
another site is refused, and on loopback a request must name loopback as its host, which DNS rebinding cannot.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from residerm.errors import UsageError, explain
from residerm.service.problems import Problem

_SHORTEST_TOKEN = 16
_PROTECTED = ("/v1/", "/metrics")
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[bytes, bytes] = {
    b"cache-control": b"no-store",
    b"content-security-policy": _CSP.encode(),
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(self), geolocation=(), microphone=()",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}


def read_token(path: Path) -> str:
    """The token of a file: its text without the white space around it."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except UnicodeDecodeError:
        raise UsageError(f"`token_file={path}`: a token has letters, digits and signs of ASCII alone") from None
    except OSError as error:
        raise UsageError(f"`token_file={path}`: {explain(error)}") from error
    if len(token) < _SHORTEST_TOKEN or len(token.split()) != 1:
        raise UsageError(
            f"`token_file={path}`: a token has at least {_SHORTEST_TOKEN} characters and no space; "
            "make one with `openssl rand -hex 32`"
        )
    return token


def is_loopback(host: str) -> bool:
    """Whether a host is this machine's loopback, by name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Decides whether a request may be answered."""

    def __init__(self, token: str | None, loopback: bool) -> None:
        """Take the token, if there is one, and whether the service listens on loopback alone."""
        self._token, self._loopback = token, loopback

    def check(self, path: str, headers: Mapping[str, str]) -> None:
        """Raise a `Problem` where a request may not be answered."""
        host = headers.get("host", "")
        if self._loopback and not is_loopback(_hostname(host)):
            raise Problem("forbidden", "this service answers on localhost and 127.0.0.1 alone")
        if not path.startswith(_PROTECTED):
            return
        origin = headers.get("origin")
        if (origin is not None and _netloc(origin) != host) or headers.get("sec-fetch-site") == "cross-site":
            raise Problem("forbidden", "requests from pages of another site are not answered")
        if self._token is not None:
            self._require_token(headers.get("authorization", ""))

    def _require_token(self, authorization: str) -> None:
        scheme, _, given = authorization.partition(" ")
        expected = (self._token or "").encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("utf-8", "replace"), expected):
            raise Problem("unauthorized", "send the service's token as `Authorization: Bearer TOKEN`")


def _netloc(origin: str) -> str:
    """Host and port of an origin; nothing of what is no origin."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _hostname(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0].strip("[")
    return host.partition(":")[0].lower()
