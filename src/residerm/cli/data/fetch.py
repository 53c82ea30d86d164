"""`residerm data fetch`: download a public archive, show how far it is, and say how to cite it."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Column

from residerm.cli.console import SECONDS_BETWEEN_LINES, out, remarks

if TYPE_CHECKING:
    from rich.progress import TaskID

    from residerm.data.download.catalogue import PublicArchive


def fetch_(name: str, /, *, out_: Annotated[Path | None, Parameter(name="--out")] = None) -> int:
    """Download a public archive; a broken transfer is taken up again where it stopped.

    `residerm data list` shows what there is. Whatever ends a download, the same command goes on with it; what is
    complete is checked, not downloaded again.

    Example: residerm data fetch ham10000 --out HAM10000

    Parameters
    ----------
    name
        Name of the archive, such as ham10000, isic2019 or dermamnist_64.
    out_
        Folder for its files. Default: a folder of the archive's name.
    """
    from residerm.data.download.catalogue import find
    from residerm.data.download.fetch import fetch

    archive = find(name)
    folder = out_ or Path(archive.name)
    try:
        with _Bars() if sys.stderr.isatty() else _Lines() as watch:
            fetch(archive, folder, watch=watch)
    except KeyboardInterrupt:
        again = shlex.join(["residerm", "data", "fetch", archive.name, "--out", str(folder)])
        remarks.print(f"residerm: stopped; what has arrived is kept in {folder}. To go on: {again}")
        return 130
    _say_what_next(archive, folder)
    return 0


def _say_what_next(archive: PublicArchive, folder: Path) -> None:
    check = shlex.join(["residerm", "data", "check", str(folder)])
    out.print(f"{archive.layout.title} is complete in {folder}")
    owners = f". {archive.attribution}" if archive.attribution else ""
    out.print(f"Licence: {archive.layout.licence}{owners}")
    out.print(f"Cite: {archive.layout.citation}")
    out.print(f"Next: {check}")


class _Bars:
    """On a terminal: a bar for the file at hand, below a line for each that is complete."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.fields[what]}"),
            TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=12),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True),
            console=remarks,
            expand=True,
            transient=True,
        )
        self._bar: TaskID | None = None

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begins(self, what: str, name: str, done: int, total: int | None) -> None:
        """Draw a bar in place of the last."""
        self._remove()
        self._bar = self._progress.add_task(name, completed=done, total=total, what=what)

    def at(self, done: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._progress.update(self._bar, completed=done)

    def says(self, text: str) -> None:
        """Print above the bar."""
        remarks.print(text)

    def ends(self, name: str) -> None:
        """Print a line in place of the bar."""
        self._remove()
        self.says(f"{name} is complete")

    def _remove(self) -> None:
        if self._bar is not None:
            self._progress.remove_task(self._bar)
        self._bar = None


class _Lines:
    """Without a terminal: plain lines."""

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left open."""

    def begins(self, what: str, name: str, done: int, total: int | None) -> None:
        """Remember the file, and say that it comes."""
        self._name, self._total, self._first, self._began = name, total, done, time.monotonic()
        self._last = self._began
        if what == "fetching":
            size = f", {decimal(total)}" if total else ""
            self.says(f"fetching {name}{size}{f', from {decimal(done)} on' if done else ''}")

    def at(self, done: int) -> None:
        """Say how far it is, now and then."""
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_LINES:
            return
        self._last = now
        speed = decimal(round(max(done - self._first, 0) / (now - self._began)))
        of_total = f" of {decimal(self._total)}" if self._total else ""
        self.says(f"{self._name}: {decimal(done)}{of_total}, {speed}/s")

    def says(self, text: str) -> None:
        """Print it."""
        print(text, file=sys.stderr, flush=True)

    def ends(self, name: str) -> None:
        """Say that the file is whole."""
        self.says(f"{name} is complete")
