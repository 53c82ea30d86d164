"""Progress that a test can look at afterwards, or act on while it goes on."""

from __future__ import annotations

from collections.abc import Callable

from typing_extensions import override

from residerm.progress import Progress, Row


class Heard(Progress):
    """Keeps what it hears; `acting` is called with how far each stage is."""

    def __init__(self, acting: Callable[[int, int | None], object] = lambda *_: None) -> None:
        self.remarks: list[str] = []
        self.steps: list[tuple[int, int | None]] = []  # done, total
        self.stages: list[str] = []
        self.epochs: list[Row] = []
        self._acting = acting

    @override
    def remark(self, text: str) -> None:
        self.remarks.append(text)

    @override
    def advance(self, stage: str, done: int, total: int | None, *, unit: str = "images", note: str = "") -> None:
        self.stages.append(stage)
        self.steps.append((done, total))
        self._acting(done, total)

    @override
    def epoch(self, row: Row, epochs: int) -> None:
        self.epochs.append(row)
