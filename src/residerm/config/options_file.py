"""Read options from a YAML file that is not trusted: only plain values by name, no other feature of YAML.

Aliases are refused, because nine lines of them can expand to a billion values; so are large files, deep nesting, and
keys that are not strings. Each error message is one short line.
"""

from __future__ import annotations

import yaml

from residerm.config.base import FlatOptions
from residerm.errors import UsageError, printable

MOST_BYTES = 2**20
_DEEPEST = 10
_LONGEST = 200  # characters of an error message


class _Refused(yaml.YAMLError):
    """Valid YAML that is not allowed in a file of options."""


class _PlainLoader(yaml.SafeLoader):
    """Loads scalars, lists and mappings; refuses aliases and deep nesting."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise _Refused("aliases (*name) are not supported: write the values out")
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Refused(f"it is nested more than {_DEEPEST} levels deep")
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


def parse_options(content: bytes, source: str) -> FlatOptions:
    """Parse the content of a file of options; error messages call the file `source`."""
    if len(content) > MOST_BYTES:
        raise UsageError(f"{source}: larger than {MOST_BYTES:,} bytes, so not a file of options")
    try:
        options = yaml.load(content, _PlainLoader)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise UsageError(f"{source}: cannot be read as YAML ({_one_line(error)})") from error
    if not isinstance(options, dict):
        raise UsageError(f"{source}: must contain a line 'option: value' for each option")
    strange = [key for key in options if not isinstance(key, str)]
    if strange:
        raise UsageError(f"{source}: {_one_line(strange[0])} is not the name of an option")
    return options


def _one_line(what: object) -> str:
    text = printable(" ".join(str(what).split()))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
