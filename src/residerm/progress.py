"""The interface through which long-running functions report their progress.

Every function that takes more than a second or two has an argument `progress: Progress = SILENT`, and calls

    progress.remark("2 unreadable images are left out: …")        something the user should know
    progress.advance("decoding", 640, 2000)                       the progress of the current stage
    progress.epoch({"epoch": 3, "train_loss": 1.2, …}, epochs=28) an epoch of training has ended

Callers pass a subclass of `Progress` that overrides the methods they need; they may be called from several threads. The
subclasses of the command line are in `cli/console.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Count = Callable[[int, int], None]  # done, total
Row = Mapping[str, int | float | None]  # a row of metrics.csv: column → value


class Progress:
    """Receives the progress of a long-running function. This base class ignores it."""

    def remark(self, text: str) -> None:
        """Report something the user should know, in one sentence."""

    def advance(self, stage: str, done: int, total: int | None, *, unit: str = "images", note: str = "") -> None:
        """Report the progress of a stage, counted in `unit`; the total is None if unknown."""

    def epoch(self, row: Row, epochs: int) -> None:
        """Report the end of an epoch of training, out of `epochs`."""

    def count(self, stage: str, unit: str = "images") -> Count:
        """Return `advance` for one stage, as a function of the count and the total."""
        return lambda done, total: self.advance(stage, done, total, unit=unit)


class Relay(Progress):
    """Forwards everything; a base class for filters."""

    def __init__(self, target: Progress) -> None:
        """Forward to `heard_by`."""
        self.target = target

    def remark(self, text: str) -> None:
        """Forward the remark."""
        self.target.remark(text)

    def advance(self, stage: str, done: int, total: int | None, *, unit: str = "images", note: str = "") -> None:
        """Forward the progress."""
        self.target.advance(stage, done, total, unit=unit, note=note)

    def epoch(self, row: Row, epochs: int) -> None:
        """Forward the epoch."""
        self.target.epoch(row, epochs)


SILENT = Progress()
