"""Output that the commands share: progress, tables and JSON.

Results go to stdout, progress and remarks to stderr, so that `--json` can be piped. Without a terminal, progress is
a plain line every ten seconds.
"""

from __future__ import annotations

import json
import math
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from residerm.cli.flags import with_flags
from residerm.progress import Progress, Row

if TYPE_CHECKING:
    from rich.progress import Progress as Bars, TaskID

SECONDS_BETWEEN_LINES = 10
_STAR = "* marks the epoch to keep so far: the last within one standard error of the best validation score"
_NARROWEST = 24  # characters of a column that wraps

_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class _SafeConsole(Console):
    """Replaces control characters, which may be in texts from archives, files and bundles, with question marks."""

    @override
    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(_STEERING.sub("?", text), **options)


out = _SafeConsole(highlight=False, soft_wrap=True, markup=False)  # names of files and classes may hold brackets
_NUMBER = re.compile(r"[-+\d.,]*")
remarks = _SafeConsole(stderr=True, highlight=False, soft_wrap=True, markup=False)


class _Shown(Progress):
    """Base class of progress on the command line: remarks go to stderr, finished epochs to stdout."""

    prefix = "note: "
    _has_epochs = False

    @override
    def remark(self, text: str) -> None:
        remarks.print(f"{self.prefix}{with_flags(text)}")

    @override
    def epoch(self, row: Row, epochs: int) -> None:
        if not self._has_epochs:
            self.remark(_STAR)
            self._has_epochs = True
        out.print(epoch_line(row, epochs))


class _Lines(_Shown):
    """Without a terminal: a plain line for the current stage, every ten seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    @override
    def advance(self, stage: str, done: int, total: int | None, *, unit: str = "images", note: str = "") -> None:
        if time.monotonic() - self._last > SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            of_total = "" if total is None else f" of {total:,}"
            print(f"{stage}: {done:,}{of_total} {unit}  {note}".rstrip(), file=sys.stderr, flush=True)


class _Bars(_Shown):
    """On a terminal: a progress bar for each stage."""

    def __init__(self, bars: Bars) -> None:
        self._bars, self._lock = bars, threading.Lock()
        self._numbers: dict[str, TaskID] = {}

    @override
    def advance(self, stage: str, done: int, total: int | None, *, unit: str = "images", note: str = "") -> None:
        with self._lock:
            if stage not in self._numbers:
                self._numbers[stage] = self._bars.add_task(f"{stage} {unit}", total=total, note=note)
        self._bars.update(self._numbers[stage], completed=done, total=total, visible=done != total, note=note)


@contextmanager
def progress(prefix: str = "note: ") -> Iterator[Progress]:
    """Show the progress of a long function; `prefix` is put before its remarks."""
    shown: _Shown = _Lines()
    if not sys.stderr.isatty():
        shown.prefix = prefix
        yield shown
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress as Bars, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, TextColumn("{task.fields[note]}"), console=remarks, transient=True) as bars:
        shown = _Bars(bars)
        shown.prefix = prefix
        yield shown


def epoch_line(row: Row, epochs: int) -> str:
    """One finished epoch in a line."""
    shown = ("macro_auc", "balanced_accuracy", "accuracy")
    scores = "  ".join(f"{name} {row[name]:.3f}" for name in shown if name in row)
    chosen = "  *" if row["kept_epoch"] == row["epoch"] else ""
    minutes = (row["seconds"] or 0) / 60
    return f"epoch {row['epoch']:>3}/{epochs}  loss {row['train_loss']:.3f}  {scores}  {minutes:.1f} min{chosen}"


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table, with texts aligned left and numbers aligned right.

    Nothing is cut off: if the terminal is too narrow, a text in the last column wraps, and then whole lines do.
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
    """Print a result as JSON; NaN and infinity become null."""
    text = json.dumps(_finite(result), indent=2, ensure_ascii=False, allow_nan=False)
    print(_STEERING.sub(lambda sign: json.dumps(sign[0])[1:-1], text))


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
