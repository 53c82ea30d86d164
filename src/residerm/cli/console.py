"""What the commands share in showing things: progress, tables, and the sentence that every prediction needs.

Results go to stdout, progress and remarks to stderr, so that `--json` can be piped. Without a terminal, progress is
a plain line every ten seconds.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.table import Table

SECONDS_BETWEEN_LINES = 10

out = Console(highlight=False, soft_wrap=True)
remarks = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def progress(task: str, unit: str = "images") -> Iterator[Callable[[int, int], None]]:
    """Give a function (done, total) that shows how far a task is."""
    if not sys.stderr.isatty():
        yield _lines(task, unit)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(task), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeRemainingColumn())
    with Progress(*columns, console=remarks, transient=True) as shown:
        number = shown.add_task(task, total=None)
        yield lambda done, total: shown.update(number, completed=done, total=total)


def _lines(task: str, unit: str) -> Callable[[int, int], None]:
    last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"{task}: {done:,} of {total:,} {unit}", file=sys.stderr, flush=True)

    return show


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: texts to the left, numbers to the right; only a text in the last column may wrap."""
    lines = list(rows)
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        text = any(isinstance(line[position], str) for line in lines)
        wraps = text and position == len(columns) - 1
        table.add_column(column, justify="left" if text else "right", no_wrap=not wraps, overflow="fold")
    for row in lines:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    out.print(table)


def show_json(result: object) -> None:
    """Print a result for a program to read."""
    print(json.dumps(result, indent=2, ensure_ascii=False))
