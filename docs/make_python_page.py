"""Write docs/python.md from the docstrings of `residerm.commands`: python docs/make_python_page.py"""

from __future__ import annotations

import inspect
from pathlib import Path
from textwrap import dedent

from residerm import commands

PAGE = Path(__file__).with_name("python.md")
_HEAD = """# From Python

This page is made from the docstrings (`make docs`); a test runs every example, in this order.
"""


def page() -> str:
    """The whole page."""
    about = inspect.getdoc(commands) or ""
    return "\n".join([_HEAD, _fenced(about), *(_section(name) for name in commands.COMMANDS)]).rstrip() + "\n"


def examples() -> str:
    """The code of all examples, one after another."""
    return "\n".join(_parts(name)[1] for name in commands.COMMANDS)


def _section(name: str) -> str:
    text, example = _parts(name)
    signature = inspect.signature(getattr(commands, name))
    names = ", ".join(
        f"**{one.name}" if one.kind is one.VAR_KEYWORD else one.name for one in signature.parameters.values()
    )
    return f"## `residerm.{name}({names})`\n\n{text}\n\n```python\n{example}\n```\n"


def _parts(name: str) -> tuple[str, str]:
    text, _, example = (inspect.getdoc(getattr(commands, name)) or "").partition("Example:\n")
    return text.strip(), dedent(example).strip()


def _fenced(text: str) -> str:
    """Paragraphs, of which the indented ones are code."""
    parts = [f"```python\n{dedent(part)}\n```" if part.startswith("    ") else part for part in text.split("\n\n")]
    joined = "\n\n".join(parts) + "\n"
    return joined.replace("```\n\n```python\n", "\n")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
