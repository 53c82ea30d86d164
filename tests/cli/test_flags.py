"""The library names options; the command line shows them as flags."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import residerm
from residerm.cli.flags import with_flags

SOURCE = Path(residerm.__file__).parent
FLAG = re.compile(r"(?<![\w-])--([a-z]|$)")
COMPUTED = {" --revision {}"}  # a part of `hf download`
COMMAND = re.compile(r"\b(residerm|hf|pip|curl|tensorboard) ")  # a command to be typed, whose flags are flags


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("`batch_size=64` is larger than", "--batch-size 64 is larger than"),
        ("leave out `on_bad_image`", "leave out --on-bad-image"),
        ("`data=/tmp/two words`: none", "--data /tmp/two words: none"),
        ("give `augment=False`, or `pretrained=True`", "give --no-augment, or --pretrained"),
        ("run `residerm data list`, and `ulimit -n`", "run `residerm data list`, and `ulimit -n`"),
    ],
)
def test_options_are_shown_as_flags(text: str, shown: str) -> None:
    assert with_flags(text) == shown


def texts(path: Path) -> list[str]:
    """The strings of a module except docstrings, with {} for formatted values."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    apart = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and isinstance(node.body[0], ast.Expr)
    }
    formatted = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    apart |= {id(part) for node in formatted for part in node.values}
    whole = ["".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
             for node in formatted]  # fmt: skip
    plain = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in apart]
    return [*whole, *(node.value for node in plain if isinstance(node.value, str))]


def test_library_messages_contain_no_flags() -> None:
    """Callers from Python or over HTTP have no flags."""
    apart = [SOURCE / folder for folder in ("cli", "report", "figures", "service/bench")]
    files = [path for path in SOURCE.rglob("*.py") if not any(path.is_relative_to(folder) for folder in apart)]
    assert len(files) > 100
    found = [
        f"{path.relative_to(SOURCE)}: {text}"
        for path in files
        for text in texts(path)
        if FLAG.search(text) and not COMMAND.search(text) and text not in COMPUTED
    ]
    assert not found
