"""What residerm says when something is wrong: one sentence that names the argument or file, and the way out.

Every error a user can cause is a `ResidermError`; the command line prints its text without a traceback and
leaves with its exit code. Anything else that escapes is a defect of residerm.

Library code does not know how it was called, from Python, a YAML file, HTTP or a shell. A message therefore names an
option as Python does, between backticks: `batch_size`, or `batch_size=64` with its value. The command line shows these
as flags (`cli/flags.py`).
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
    errno.EFBIG: "the file would be larger than is allowed there; choose another place",
    errno.EROFS: "that file system is read-only; choose another place",
    errno.EBUSY: "something holds it, such as a mount; choose another place",
    errno.EMFILE: "too many files are open; raise the limit with `ulimit -n`",
}


class ResidermError(Exception):
    """Something failed that the user can mend: exit code 1."""

    exit_code = 1


class UsageError(ResidermError):
    """The command or a function was called in a way that cannot work: exit code 2."""

    exit_code = 2


class ArchiveError(ResidermError):
    """The archive, or one of its tables or containers, cannot be read as it is."""


class ImageError(ResidermError):
    """One picture cannot be read. The text says why; whoever knows which picture it is puts its name before it."""


class WriteError(ResidermError):
    """A result could not be written: no room, no permission, or something is in its place."""


def explain(error: OSError) -> str:
    """What the operating system complains of, and the way out where there is one."""
    return _WAYS_OUT.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__


def printable(name: str) -> str:
    """A file's name for messages and tables: what is not UTF-8, or would steer a terminal, becomes a question mark."""
    return name if name.isprintable() else "".join(sign if sign.isprintable() else "?" for sign in name)


def shortened(value: object, most: int = 80) -> str:
    """A value that was given, as it stands in a message: whatever it is, it stays short."""
    try:
        text = repr(value)
    except ValueError:  # Python writes out no number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= most else f"{text[:most]}…"


def listed(names: Iterable[object], most: int = 5) -> str:
    """The first names, comma-separated, and how many more there are: messages stay one line."""
    texts = [str(name) for name in names]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def counted(count: int, thing: str) -> str:
    """How many of a thing there are."""
    return f"{count:,} {thing}{'s' * (count != 1)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """' Did you mean …?' with the known names closest to a wrong one, or '' where none is close."""
    spelling = {text.lower(): text for text in known}
    close = difflib.get_close_matches(name.lower(), spelling, n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(spelling[text] for text in close)}?" if close else ""
