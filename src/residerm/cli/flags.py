"""Convert options in messages to flags: `batch_size=64` becomes --batch-size 64."""

from __future__ import annotations

import re

_OPTION = re.compile(r"`([a-z][a-z0-9_]*)(?:=([^`]*))?`")


def with_flags(text: str) -> str:
    """Replace the options in a message, which are between backticks, with flags."""
    return _OPTION.sub(lambda found: _flag(found[1].replace("_", "-"), found[2]), text)


def _flag(name: str, value: str | None) -> str:
    if value == "False":
        return f"--no-{name}"
    return f"--{name}" if value in (None, "True") else f"--{name} {value}"
