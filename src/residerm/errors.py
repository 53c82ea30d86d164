"""The errors of residerm: one sentence that names the argument or file, and how to fix it.

Every error a user can cause is a `ResidermError`; the command line prints its text without a traceback and exits with
its exit code. Any other exception that escapes is a bug in residerm.

Library code does not know whether it was called from Python, a YAML file, HTTP or a shell. Messages therefore name an
option as in Python, in backticks: `batch_size`, or `batch_size=64` with its value. The command line shows these as
flags (`cli/flags.py`).
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable

_WAYS_OUT = {
    errno.ENOENT: "there is no such file or folder",
    errno.ENOTDIR: "a part of that path is a file, not a folder",
    errno.EEXIST: "a part of that path is a file, not a folder",
    errno.EACCES: "permission denied; give this user permission, or choose another place",
    errno.EPERM: "permission denied; give this user permission, or choose another place",
    errno.ENOSPC: "the disk is full; make room, or choose another place",
    errno.EDQUOT: "the disk quota is used up; make room, or choose another place",
    errno.EFBIG: "the file would exceed the size limit there; choose another place",
    errno.EROFS: "that file system is read-only; choose another place",
    errno.EBUSY: "it is in use, for example as a mount point; choose another place",
    errno.EMFILE: "too many files are open; raise the limit with `ulimit -n`",
}


class ResidermError(Exception):
    """An error that the user can fix: exit code 1."""

    exit_code = 1


class UsageError(ResidermError):
    """The command or a function was called in a way that cannot work: exit code 2."""

    exit_code = 2


class StoppedError(ResidermError):
    """A signal stopped something that cannot be resumed: exit code 130."""

    exit_code = 130


class ArchiveError(ResidermError):
    """The archive, or one of its tables or containers, cannot be read as it is."""


class ImageError(ResidermError):
    """An image cannot be read. The text says why; the caller that knows the image's name prepends it."""


class WriteError(ResidermError):
    """A result could not be written: no space, no permission, or the path is taken."""


def system_reason(error: OSError) -> str:
    """The reason of an operating-system error, with a fix if there is one."""
    return _WAYS_OUT.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__


def printable(name: str) -> str:
    """A file's name for messages and tables: control characters and bytes that are not UTF-8 become question marks."""
    return name if name.isprintable() else "".join(sign if sign.isprintable() else "?" for sign in name)


def shortened(value: object, most: int = 80) -> str:
    """A user's value for a message, truncated to `most` characters."""
    try:
        text = repr(value)
    except ValueError:  # Python does not convert numbers of more than 4,300 digits to text
        return "a number of thousands of digits"
    return text if len(text) <= most else f"{text[:most]}…"


def listed(names: Iterable[object], most: int = 5) -> str:
    """The first names, comma-separated, and the number of others, to keep messages on one line."""
    texts = [str(name) for name in names]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def counted(count: int, thing: str) -> str:
    """A count with its noun, in the plural if needed."""
    return f"{count:,} {thing}{'s' * (count != 1)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """' Did you mean …?' with the known names closest to a wrong one, or '' if none is close."""
    spelling = {text.lower(): text for text in known}
    close = difflib.get_close_matches(name.lower(), spelling, n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(spelling[text] for text in close)}?" if close else ""
