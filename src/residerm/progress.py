"""The one way in which a long function reports how far it is.

Every function that takes more than a second or two has a `progress: Progress = SILENT`, and calls

    progress.remark("2 unreadable images are left out: …")        something that the user should know
    progress.advance("decoding", 640, 2000)                       how far the stage under way is
    progress.epoch({"epoch": 3, "train_loss": 1.2, …}, epochs=28) an epoch of training has ended

Whoever wants to hear of it passes a subclass of `Progress` that overrides what it shows; the methods may be called from
several threads. The command line's are in `cli/console.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Count = Callable[[int, int], None]  # done, total
Row = Mapping[str, int | float | None]  # of metrics.csv: the name of a column → its value


class Progress:
    """Hears how a long function gets on. This one ignores it all."""

    def remark(self, text: str) -> None:
        """Something that the user should know, in a sentence."""

    def advance(self, stage: str, done: int, total: int | None, *, unit: str = "images", note: str = "") -> None:
        """A stage has come so far, counted in `unit`; the total is None where it is not known."""

    def epoch(self, row: Row, epochs: int) -> None:
        """An epoch of training has ended, the last of `epochs` or an earlier one."""

    def count(self, stage: str, unit: str = "images") -> Count:
        """`advance` for one stage, for those that count and need not know of what."""
        return lambda done, total: self.advance(stage, done, total, unit=unit)


class Relay(Progress):
    """Passes everything on; a base for those that change what another one hears."""

    def __init__(self, heard_by: Progress) -> None:
        """Pass it on to `heard_by`."""
        self.heard_by = heard_by

    def remark(self, text: str) -> None:
        """Pass it on."""
        self.heard_by.remark(text)

    def advance(self, stage: str, done: int, total: int | None, *, unit: str = "images", note: str = "") -> None:
        """Pass it on."""
        self.heard_by.advance(stage, done, total, unit=unit, note=note)

    def epoch(self, row: Row, epochs: int) -> None:
        """Pass it on."""
        self.heard_by.epoch(row, epochs)


SILENT = Progress()
