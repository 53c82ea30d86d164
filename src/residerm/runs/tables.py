"""Read and write CSV files in UTF-8. Cells that a spreadsheet would evaluate as formulas are marked as text when
written, and restored when read. A missing column is an error of one sentence."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from residerm.documents import LARGEST, DocumentError
from residerm.files import read_regular
from residerm.spreadsheet import Writer, unmarked


def table_bytes(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Format a table as CSV."""
    text = io.StringIO()
    Writer(text).rows([columns, *rows])
    return text.getvalue().encode()


def read_table(path: Path, needed: Sequence[str], remedy: str) -> list[dict[str, str]]:
    """Read the rows of a table, which must have at least the needed columns."""
    try:
        text = read_regular(path, LARGEST).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""))
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
