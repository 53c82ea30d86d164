"""A client for the service."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from residerm.errors import ResidermError, UsageError, system_reason
from residerm.service.answers import Answers

if TYPE_CHECKING:
    import httpx


class ServiceError(ResidermError):
    """The service is unreachable, or refused the request."""


def ask(
    images: Sequence[str | Path],
    url: str = "http://127.0.0.1:8000",
    *,
    token: str | None = None,
    explain_class: str | None = None,
    explained: bool = False,
    timeout: float = 60.0,
) -> Answers:
    """Send image files to a service and return its answers; with explanations if `explained` or `explain_class`."""
    import httpx

    if not images:
        raise UsageError("`images`: give at least one file")
    headers = {"authorization": f"Bearer {_plain(token)}"} if token else None
    route = "explain" if explained or explain_class else "predict"
    with ExitStack() as stack:
        parts = [("images", (Path(path).name, stack.enter_context(_open(Path(path))))) for path in images]
        try:
            reply = httpx.post(
                f"{url.rstrip('/')}/v1/{route}",
                params={"class": explain_class} if explain_class else None,
                files=parts,
                headers=headers,
                timeout=timeout,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServiceError(f"{url} does not answer ({error})") from error
    if reply.status_code != 200:
        raise ServiceError(f"{url} refused the request: {_detail(reply)}")
    return Answers.model_validate_json(reply.content)


def _plain(token: str) -> str:
    """A token without the line end of the file from which it was read."""
    token = token.strip()
    if not (token.isascii() and token.isprintable()):
        raise UsageError("`token`: a token may only have printable ASCII characters")
    return token


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UsageError(f"`images`: {path}: {system_reason(error)}") from error


def _detail(reply: httpx.Response) -> str:
    try:
        return str(reply.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{reply.status_code} {reply.reason_phrase}"
