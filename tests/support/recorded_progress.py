"""Progress that a test can inspect afterwards, or react to."""

from __future__ import annotations

from collections.abc import Callable

from typing_extensions import override

from residerm.progress import Progress, Row


class RecordedProgress(Progress):
    """Records all calls; `on_step` is called with the done and total numbers of each step."""

    def __init__(self, on_step: Callable[[int, int | None], object] = lambda *_: None) -> None:
        self.remarks: list[str] = []
        self.steps: list[tuple[int, int | None]] = []  # done, total
        self.stages: list[str] = []
        self.epochs: list[Row] = []
        self._on_step = on_step

    @override
    def remark(self, text: str) -> None:
        self.remarks.append(text)

    @override
    def advance(self, stage: str, done: int, total: int | None, *, unit: str = "images", note: str = "") -> None:
        self.stages.append(stage)
        self.steps.append((done, total))
        self._on_step(done, total)

    @override
    def epoch(self, row: Row, epochs: int) -> None:
        self.epochs.append(row)
