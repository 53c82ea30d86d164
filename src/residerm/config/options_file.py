"""A YAML file of options, which may come from anybody: plain values by name, and nothing that YAML can do besides.

Aliases are refused, because nine lines of them stand for a thousand million values; and so are large files, deep
nesting, and names that are no text. Every complaint is one short line.
"""

from __future__ import annotations

import yaml

from residerm.errors import UsageError, printable

MOST_BYTES = 2**20
_DEEPEST = 10
_LONGEST = 200  # characters of a complaint


class _Refused(yaml.YAMLError):
    """Valid YAML that no file of options needs."""


class _PlainLoader(yaml.SafeLoader):
    """Scalars, lists and mappings, neither aliased nor deeply nested."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise _Refused("it has aliases (*name), which are not read: write the values out")
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Refused(f"it is nested more than {_DEEPEST} levels deep")
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


def parse_options(content: bytes, source: str) -> dict[str, object]:
    """The options in a file's content; `source` is what messages call the file."""
    if len(content) > MOST_BYTES:
        raise UsageError(f"{source}: it has more than {MOST_BYTES:,} bytes: it is no file of options")
    try:
        options = yaml.load(content, _PlainLoader)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise UsageError(f"{source}: cannot be read as YAML ({_one_line(error)})") from error
    if not isinstance(options, dict):
        raise UsageError(f"{source}: it should hold a line 'option: value' for each option")
    strange = [key for key in options if not isinstance(key, str)]
    if strange:
        raise UsageError(f"{source}: {_one_line(strange[0])} is no name of an option")
    return options


def _one_line(what: object) -> str:
    text = printable(" ".join(str(what).split()))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
