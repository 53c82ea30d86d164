"""What residerm says when something is wrong: one sentence that names the argument or file, and the way out.

Every error a user can cause is a `ResidermError`; the command line prints its text without a traceback and
leaves with its exit code. Anything else that escapes is a defect of residerm.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ResidermError(Exception):
    """Something failed that the user can mend: exit code 1."""

    exit_code = 1


class UsageError(ResidermError):
    """The command or a function was called in a way that cannot work: exit code 2."""

    exit_code = 2


class ArchiveError(ResidermError):
    """The archive, or one of its tables or containers, cannot be read as it is."""


class ImageError(ResidermError):
    """One picture cannot be read; the text says which and why."""


class WriteError(ResidermError):
    """A result could not be written: no room, no permission, or something is in its place."""


def listed(names: Iterable[object], most: int = 5) -> str:
    """The first names, comma-separated, and how many more there are: messages stay one line."""
    texts = [str(name) for name in names]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def nearest(name: str, known: Iterable[str]) -> str:
    """' Did you mean …?' with the known names closest to a wrong one, or '' where none is close."""
    close = difflib.get_close_matches(name.lower(), list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(close)}?" if close else ""
