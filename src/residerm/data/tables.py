"""Tables as they are found in the wild: CSV with commas, semicolons or tabs, in UTF-8, UTF-16 or a Western encoding.

Rows are read one at a time, with lower-case column names; columns that nobody asks for, such as an index, do no harm.
Each complaint names the table, the line and what to change.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
from collections.abc import Iterator, Sequence
from typing import IO

from residerm.data.tree import Tree
from residerm.errors import ArchiveError, nearest

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class Table:
    """One table of an archive."""

    def __init__(self, tree: Tree, number: int, columns: Sequence[str] | None = None) -> None:
        """Read the header; `columns` names the columns of a table that has none."""
        self.name = tree.where(number)
        self._tree, self._number = tree, number
        with tree.open(number) as stream:
            self._encoding = _encoding(stream, self.name)
            first = self._text(stream).readline()
        if not first.strip("\r\n\0 "):
            raise ArchiveError(f"{self.name} is empty: download it again")
        self._delimiter = max(",;\t", key=first.count)
        self._has_header = columns is None
        given = next(csv.reader([first], delimiter=self._delimiter))
        self.columns = [name.strip().lower() for name in (given if columns is None else columns)]

    def require(self, *columns: str) -> Table:
        """This table, if it has these columns; otherwise a message with the nearest names."""
        for column in columns:
            if column not in self.columns:
                raise ArchiveError(
                    f"{self.name} has no column {column!r}; its columns are {', '.join(self.columns)}."
                    + nearest(column, self.columns)
                )
        return self

    def __iter__(self) -> Iterator[dict[str, str]]:
        """Each row, as a mapping from column to stripped text."""
        with self._tree.open(self._number) as stream:
            lines = csv.reader(self._text(stream), delimiter=self._delimiter)
            try:
                if self._has_header:
                    next(lines)
                for cells in lines:
                    if any(cells):
                        yield self._row(cells, lines.line_num)
            except csv.Error as error:
                raise ArchiveError(f"{self.name}, line {lines.line_num}: {error}") from error

    def _row(self, cells: list[str], line: int) -> dict[str, str]:
        if len(cells) != len(self.columns):
            raise ArchiveError(
                f"{self.name}, line {line}: {len(cells)} cells where there should be {len(self.columns)}"
                f" ({', '.join(self.columns)}); mend that line, or download the table again"
            )
        return {column: cell.strip() for column, cell in zip(self.columns, cells, strict=True)}

    def _text(self, stream: IO[bytes]) -> io.TextIOWrapper:
        return io.TextIOWrapper(stream, encoding=self._encoding, newline="")


def find_table(tree: Tree, *patterns: str, columns: Sequence[str] | None = None) -> Table:
    """The table that the patterns name; of several copies the one nearest to the root."""
    found = sorted(tree.find(*patterns), key=lambda number: (tree.where(number).count("/"), number))
    if not found:
        raise ArchiveError(f"{tree.path} holds no table named {' or '.join(patterns)}: put it beside the images")
    return Table(tree, found[0], columns)


def number(text: str) -> float | None:
    """A number, such as an age, where the cell holds one."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _encoding(stream: IO[bytes], name: str) -> str:
    """By its byte-order mark, else UTF-8 if all of it is, else Windows-1252; leaves the stream at its start."""
    head = stream.read(65536)
    stream.seek(0)
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    if b"\0" in head:
        raise ArchiveError(f"{name} is not a text table (it holds zero bytes): save it as CSV in UTF-8")
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := stream.read(65536):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    finally:
        stream.seek(0)
    return "utf-8"
