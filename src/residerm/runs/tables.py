"""CSV files as residerm writes them: a header, then rows, in UTF-8. What a
spreadsheet would compute is marked as text, and comes back as it was. A file that lacks a column is one sentence."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from residerm.documents import DocumentError
from residerm.spreadsheet import Writer, unmarked


def table_bytes(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A table as it is written."""
    text = io.StringIO()
    Writer(text).rows([columns, *rows])
    return text.getvalue().encode()


def read_table(path: Path, needed: Sequence[str], remedy: str) -> list[dict[str, str]]:
    """The rows of a table that has at least these columns."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            columns = [unmarked(name) for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DocumentError(f"{path} cannot be read ({error}): {remedy}") from error
    missing = [name for name in needed if name not in columns]
    if missing:
        raise DocumentError(f"{path} cannot be used (column {missing[0]} is missing): {remedy}")
    if any(None in row.values() for row in rows):
        raise DocumentError(f"{path} cannot be used (a row is shorter than the header): {remedy}")
    return [{name: unmarked(cell) for name, cell in row.items()} for row in rows]
