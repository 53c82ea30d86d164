"""Access control and security headers: token, host, origin, and the headers of all responses.

A service on loopback can still be reached by any page that is open in a browser. So requests from other sites are
refused, and on loopback the Host header must name loopback, which prevents DNS rebinding.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from residerm.errors import UsageError, system_reason
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
    """Read the token in a file, without surrounding white space."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except UnicodeDecodeError:
        raise UsageError(f"`token_file={path}`: a token may only have ASCII characters") from None
    except OSError as error:
        raise UsageError(f"`token_file={path}`: {system_reason(error)}") from error
    if len(token) < _SHORTEST_TOKEN or len(token.split()) != 1:
        raise UsageError(
            f"`token_file={path}`: a token must have at least {_SHORTEST_TOKEN} characters and no spaces; "
            "create one with `openssl rand -hex 32`"
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
        """`loopback`: whether the service listens only on loopback."""
        self._token, self._loopback = token, loopback

    def check(self, path: str, headers: Mapping[str, str]) -> None:
        """Raise a `Problem` if a request may not be answered."""
        host = headers.get("host", "")
        if self._loopback and not is_loopback(_hostname(host)):
            raise Problem("forbidden", "this service only answers on localhost and 127.0.0.1")
        if not path.startswith(_PROTECTED):
            return
        origin = headers.get("origin")
        if (origin is not None and _netloc(origin) != host) or headers.get("sec-fetch-site") == "cross-site":
            raise Problem("forbidden", "requests from pages of other sites are not answered")
        if self._token is not None:
            self._require_token(headers.get("authorization", ""))

    def _require_token(self, authorization: str) -> None:
        scheme, _, given = authorization.partition(" ")
        expected = (self._token or "").encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("utf-8", "replace"), expected):
            raise Problem("unauthorized", "send the token as `Authorization: Bearer TOKEN`")


def _netloc(origin: str) -> str:
    """Host and port of an origin; empty if it is invalid."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _hostname(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0].strip("[")
    return host.partition(":")[0].lower()
