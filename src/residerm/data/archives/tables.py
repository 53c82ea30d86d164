"""Read tables as found in practice: CSV with commas, semicolons or tabs, in UTF-8, UTF-16 or Windows-1252.

Rows are read one at a time, as mappings from lower-case column names to stripped text. Blank lines and unused columns,
such as an index, are ignored. Each error message names the table, the line and how to fix it.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from residerm.errors import ArchiveError, listed, nearest
from residerm.storage.tree import Tree

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_DELIMITERS = ",;\t"
_MOST_COLUMNS = 1000  # the ISIC archive's own tables have about thirty


def find_table(tree: Tree, *patterns: str, columns: Sequence[str] | None = None) -> Table:
    """The table that matches the patterns; of several copies, the one nearest to the root."""
    found = sorted(tree.find(*patterns), key=lambda number: (tree.where(number).count("/"), number))
    if not found:
        raise ArchiveError(f"{tree.path} contains no table named {' or '.join(patterns)}: put it next to the images")
    return Table(tree, found[0], columns)


class Table:
    """One table of an archive."""

    def __init__(self, tree: Tree, number: int, columns: Sequence[str] | None = None) -> None:
        """Read the header; `columns` names the columns of a table that has none."""
        self.name = tree.where(number)
        self._tree, self._number = tree, number
        with tree.open(number) as stream:
            self._encoding = _encoding(stream, self.name)
        self._has_header = columns is None
        self._delimiter = self._find_delimiter()
        _, first = next(self._lines(), (0, []))
        if not first:
            raise ArchiveError(f"{self.name} is empty: download it again")
        if len(first) > _MOST_COLUMNS:
            raise ArchiveError(
                f"{self.name} has {len(first):,} columns, more than the limit of {_MOST_COLUMNS:,}: is it a table of "
                "images? Keep only the needed columns"
            )
        self.columns = [name.strip().lower() for name in columns or first]
        self._refuse_doubles()

    def require(self, *columns: str) -> Table:
        """Raise `ArchiveError`, with the nearest names, if a column is missing; return self."""
        for column in columns:
            if column not in self.columns:
                known = [name for name in self.columns if name]
                raise ArchiveError(
                    f"{self.name} has no column {column!r}; its columns are {listed(known, 20)}."
                    f"{nearest(column, known)}"
                )
        return self

    def __iter__(self) -> Iterator[dict[str, str]]:
        """Each row, as a mapping from column to stripped text."""
        lines = self._lines()
        if self._has_header:
            next(lines)
        line = 0
        for line, cells in lines:
            yield self._row(cells, line)
        if not line:
            raise ArchiveError(f"{self.name} has a header, but no rows: download it again")

    def _row(self, cells: list[str], line: int) -> dict[str, str]:
        while len(cells) > len(self.columns) and not cells[-1].strip():
            cells.pop()
        if len(cells) != len(self.columns):
            raise ArchiveError(
                f"{self.name}, line {line}: {len(cells)} cells instead of {len(self.columns)} "
                f"({listed(self.columns, 20)}): fix this line, or download the table again"
            )
        return {column: cell.strip() for column, cell in zip(self.columns, cells, strict=True) if column}

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number and cells of each line that is not blank; for cells with line breaks, the last number."""
        with self._text() as text:
            reader = csv.reader(text, delimiter=self._delimiter, strict=True)
            try:
                for cells in reader:
                    if any(cell.strip() for cell in cells):
                        yield reader.line_num, cells
            except csv.Error as error:
                raise ArchiveError(
                    f"{self.name}, line {reader.line_num}: {error} (an extra quotation mark?): "
                    "fix this line, or download the table again"
                ) from error

    def _find_delimiter(self) -> str:
        """The delimiter that occurs most often in the first line that is not blank."""
        with self._text() as text:
            while line := text.readline(2**16):
                if line.strip():
                    return max(_DELIMITERS, key=line.count)
        return _DELIMITERS[0]

    @contextmanager
    def _text(self) -> Iterator[io.TextIOWrapper]:
        with io.TextIOWrapper(self._tree.open(self._number), encoding=self._encoding, newline="") as text:
            try:
                yield text
            except UnicodeError as error:
                raise ArchiveError(
                    f"{self.name} is neither UTF-8, UTF-16 nor Windows-1252 throughout: save it as CSV in UTF-8"
                ) from error

    def _refuse_doubles(self) -> None:
        doubles = [name for name, times in Counter(self.columns).items() if name and times > 1]
        if doubles:
            raise ArchiveError(
                f"{self.name} has more than one column {listed(sorted(doubles))}: rename or remove all but one"
            )


def number(text: str) -> float | None:
    """A number, such as an age, or None if the cell does not contain one."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _encoding(stream: IO[bytes], name: str) -> str:
    """Detect the encoding: by byte-order mark, else UTF-8 if the whole file is valid, else Windows-1252."""
    head = stream.read(2**16)
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    if b"\0" in head:
        raise ArchiveError(f"{name} is not a text table (it contains zero bytes): save it as CSV in UTF-8")
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head)
        while chunk := stream.read(2**16):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"
