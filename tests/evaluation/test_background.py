"""Work in a background thread: results, errors and interruption."""

import threading

import pytest
from recorded_progress import RecordedProgress

from residerm.evaluation.background import in_background
from residerm.progress import SILENT, Progress


def test_result_and_progress() -> None:
    progress = RecordedProgress()

    def work(progress: Progress) -> str:
        progress.advance("working", 1, 1)
        progress.remark("one was enough")
        return "done"

    with in_background(work, progress) as found:
        assert found.result() == "done"
    assert progress.steps == [(1, 1)]
    assert progress.remarks == ["one was enough"]


def test_errors_are_raised_by_result() -> None:
    def work(_: Progress) -> None:
        raise ValueError("a bad image")

    with pytest.raises(ValueError, match="a bad image"), in_background(work, SILENT) as found:
        found.result()


def test_interruption_does_not_wait_for_the_work() -> None:
    begun, interrupted, steps = threading.Event(), threading.Event(), []

    def work(progress: Progress) -> None:
        begun.set()
        assert interrupted.wait(10)
        for number in range(1_000_000_000):
            progress.advance("working", number, 1_000_000_000)
            steps.append(number)

    def interrupt() -> None:
        with in_background(work, SILENT):
            assert begun.wait(10)
            threading.Timer(0.2, interrupted.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert steps == []
