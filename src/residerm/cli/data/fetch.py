"""`residerm data fetch`: download a public archive, show the progress, and say how to cite it."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress as Bars,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column
from typing_extensions import override

from residerm.cli.console import SECONDS_BETWEEN_LINES, out, remarks
from residerm.progress import Progress

if TYPE_CHECKING:
    from residerm.data.download.catalogue import PublicArchive


def fetch_(name: str, /, *, out_: Annotated[Path | None, Parameter(name="--out")] = None) -> int:
    """Download a public archive; an interrupted download is resumed.

    `residerm data list` shows the archives. An interrupted download is resumed by the same command; complete files
    are checked, not downloaded again.

    Example: residerm data fetch ham10000 --out HAM10000

    Parameters
    ----------
    name
        Name of the archive, such as ham10000, isic2019 or dermamnist_64.
    out_
        Folder for its files. Default: a folder with the name of the archive.
    """
    from residerm.data.download.catalogue import find_archive
    from residerm.data.download.fetch import fetch

    archive = find_archive(name)
    folder = out_ or Path(archive.name)
    try:
        with _Bars() if sys.stderr.isatty() else _Lines() as shown:
            fetch(archive, folder, shown)
    except KeyboardInterrupt:
        again = shlex.join(["residerm", "data", "fetch", archive.name, "--out", str(folder)])
        remarks.print(f"residerm: stopped; what was downloaded is kept in {folder}. To resume: {again}")
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


class _Bars(Progress):
    """On a terminal: a progress bar for the current file, below one line for each complete file."""

    def __init__(self) -> None:
        self._bars = Bars(
            TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=12),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True),
            console=remarks,
            expand=True,
            transient=True,
        )
        self._stage, self._bar = "", TaskID(0)

    def __enter__(self) -> _Bars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    @override
    def remark(self, text: str) -> None:
        """Print above the bar."""
        remarks.print(text)

    @override
    def advance(self, stage: str, done: int, total: int | None, *, unit: str = "images", note: str = "") -> None:
        """Update the bar, or replace it when a new stage begins."""
        if stage != self._stage:
            if self._stage:
                self._bars.remove_task(self._bar)
            self._stage, self._bar = stage, self._bars.add_task(stage, completed=done, total=total)
        self._bars.update(self._bar, completed=done)


class _Lines(Progress):
    """Without a terminal: plain lines."""

    _stage = ""

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    @override
    def remark(self, text: str) -> None:
        """Print a line."""
        print(text, file=sys.stderr, flush=True)

    @override
    def advance(self, stage: str, done: int, total: int | None, *, unit: str = "images", note: str = "") -> None:
        """Print a line when a file begins, and one with the progress every ten seconds."""
        now, of_total = time.monotonic(), f" of {decimal(total)}" if total else ""
        if stage != self._stage:
            self._stage, self._first, self._began, self._last = stage, done, now, now
            if stage.startswith("fetching"):
                size = f", {decimal(total)}" if total else ""
                self.remark(f"{stage}{size}{f', resumed at {decimal(done)}' if done else ''}")
        elif now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            speed = decimal(round(max(done - self._first, 0) / (now - self._began)))
            self.remark(f"{stage}: {decimal(done)}{of_total}, {speed}/s")
