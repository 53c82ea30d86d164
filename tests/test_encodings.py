"""Text files are UTF-8 in any locale, because runs are used on other machines."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import residerm

SOURCES = sorted(Path(residerm.__file__).parent.rglob("*.py"))


def calls_without_encoding(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls of `read_text`, `write_text`, and `open` for text that leave the encoding to the locale."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(keyword.arg == "encoding" for keyword in node.keywords):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        mode = next((one.value for one in node.args if isinstance(one, ast.Constant)), "")
        text = isinstance(mode, str) and mode[:1] in ("r", "w", "a", "x") and "b" not in mode and len(mode) < 3
        if name in ("read_text", "write_text") or (name == "open" and text):
            yield node


def test_encoding_is_always_given() -> None:
    found = [
        f"{path}:{call.lineno}"
        for path in SOURCES
        for call in calls_without_encoding(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []
