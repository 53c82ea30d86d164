"""Write docs/python.md from the docstrings of `residerm.commands`: python docs/make_python_page.py"""

from __future__ import annotations

import inspect
from pathlib import Path
from textwrap import dedent

from residerm import commands

PAGE = Path(__file__).with_name("python.md")
FUNCTIONS = [name for functions in commands.COMMANDS.values() for name in functions]
NOT_RUN = ("demo", "fetch", "serve", "bench_inference", "bench_service", "theory_depth")
_HEAD = """# From Python

This page is generated from the docstrings (`make docs`). A test runs the examples in this order, except for those that
take long, download, or do not return: `demo`, `fetch`, `serve`, `bench_inference`, `bench_service` and `theory_depth`.
"""


def page() -> str:
    """The whole page."""
    about = inspect.getdoc(commands) or ""
    return "\n".join([_HEAD, _fenced(about), _table(), *(_section(name) for name in FUNCTIONS)]).rstrip() + "\n"


def examples() -> str:
    """The code of all examples, in order."""
    return "\n".join(_parts(name)[1] for name in FUNCTIONS if name not in NOT_RUN)


def _table() -> str:
    """The table of commands and their functions."""
    lines = [
        f"| `residerm {command}` | {', '.join(f'[`{name}`](#residerm{name})' for name in functions)} |"
        for command, functions in commands.COMMANDS.items()
    ]
    return "\n".join(["| command | functions |", "|---|---|", *lines, ""])


def _section(name: str) -> str:
    text, example = _parts(name)
    signature = inspect.signature(getattr(commands, name))
    names = ", ".join(
        f"**{one.name}" if one.kind is one.VAR_KEYWORD else one.name for one in signature.parameters.values()
    )
    return f"## `residerm.{name}`\n\n`{name}({names})`\n\n{text}\n\n```python\n{example}\n```\n"


def _parts(name: str) -> tuple[str, str]:
    text, _, example = (inspect.getdoc(getattr(commands, name)) or "").partition("Example:\n")
    return text.strip(), dedent(example).strip()


def _fenced(text: str) -> str:
    """Paragraphs, with indented ones as code."""
    parts = [f"```python\n{dedent(part)}\n```" if part.startswith("    ") else part for part in text.split("\n\n")]
    joined = "\n\n".join(parts) + "\n"
    return joined.replace("```\n\n```python\n", "\n")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
