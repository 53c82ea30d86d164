"""What the commands share in showing things: progress, tables, and the sentence that every prediction needs.

Results go to stdout, progress and remarks to stderr, so that `--json` can be piped. Without a terminal, progress is
a plain line every ten seconds.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

SECONDS_BETWEEN_LINES = 10
_NARROWEST = 24  # characters of a text that wraps

out = Console(highlight=False, soft_wrap=True, markup=False)  # names of files and classes may hold brackets
_NUMBER = re.compile(r"[-+\d.,]*")
remarks = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


class Show(Protocol):
    """What `progress` gives: call it as work goes on."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show how far it is, and a note beside it."""


@contextmanager
def progress(task: str, unit: str = "images") -> Iterator[Show]:
    """Show how far a task is, from the first call on."""
    if not sys.stderr.isatty():
        yield _lines(task, unit)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=remarks, transient=True) as bars:
        number = bars.add_task(f"{task} {unit}", total=None, visible=False, note="")

        def show(done: int, total: int, note: str = "") -> None:
            bars.update(number, completed=done, total=total, visible=True, note=note)

        yield show


def _lines(task: str, unit: str) -> Show:
    last = time.monotonic()

    def show(done: int, total: int, note: str = "") -> None:
        nonlocal last
        if time.monotonic() - last > SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"{task}: {done:,} of {total:,} {unit}  {note}".rstrip(), file=sys.stderr, flush=True)

    return show


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: texts to the left, numbers to the right.

    Nothing is cut off: where there is too little width, a text in the last column wraps, and then lines run over.
    """
    lines = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows]
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        cells = [line[position] for line in lines]
        text = not all(_NUMBER.fullmatch(str(cell)) for cell in cells)
        wraps = text and position == len(columns) - 1
        widest = max(map(cell_len, (*column.split("\n"), *map(str, cells))))
        table.add_column(
            column, justify="left" if text else "right", min_width=min(widest, _NARROWEST) if wraps else widest
        )
    for line in lines:
        table.add_row(*map(str, line))
    out.print(table)


def show_json(result: object) -> None:
    """Print a result for a program to read."""
    print(json.dumps(result, indent=2, ensure_ascii=False))
