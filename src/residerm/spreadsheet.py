"""CSV files that people open: cells that a spreadsheet would take for formulas are marked as text.

A name from an archive or a file may begin with `=`, `+`, `-` or `@`, and a spreadsheet would evaluate it. A leading
apostrophe, as spreadsheets use it, makes it text. `unmarked` removes it, so texts are read back unchanged. Numbers are
not changed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import IO

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_MARKED = re.compile(r"'+[=+\-@\t\r]")
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)


class Writer:
    """Writes rows, marking texts that look like formulas."""

    def __init__(self, stream: IO[str]) -> None:
        """Write to a stream that was opened with newline=''."""
        self._writer = csv.writer(stream, lineterminator="\n")

    def row(self, cells: Iterable[object]) -> None:
        """Write one row."""
        self._writer.writerow([marked(cell) for cell in cells])

    def rows(self, rows: Iterable[Iterable[object]]) -> None:
        """Write many rows."""
        for row in rows:
            self.row(row)


def marked(cell: object) -> object:
    """The cell as it is written."""
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def unmarked(text: str) -> str:
    """The original text of a cell."""
    return text[1:] if _MARKED.match(text) else text
