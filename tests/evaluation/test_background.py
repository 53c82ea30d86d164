"""Work in a second thread: its result, its error, and its end when nobody waits for it any more."""

import threading

import pytest

from residerm.evaluation.background import in_background
from residerm.evaluation.predictions import Progress


def test_the_result_and_the_steps_come_through() -> None:
    steps: list[tuple[int, int]] = []

    def work(step: Progress) -> str:
        step(1, 1)
        return "done"

    with in_background(work, lambda *step: steps.append(step)) as found:
        assert found.result() == "done"
    assert steps == [(1, 1)]


def test_an_error_of_the_work_is_told_where_its_result_is_asked_for() -> None:
    def work(_: Progress) -> None:
        raise ValueError("a bad image")

    with pytest.raises(ValueError, match="a bad image"), in_background(work, lambda *_: None) as found:
        found.result()


def test_whoever_is_interrupted_does_not_wait_for_the_end_of_the_work() -> None:
    begun, interrupted, steps = threading.Event(), threading.Event(), []

    def work(step: Progress) -> None:
        begun.set()
        assert interrupted.wait(10)
        for number in range(1_000_000_000):
            step(number, 1_000_000_000)
            steps.append(number)

    def interrupt() -> None:
        with in_background(work, lambda *_: None):
            assert begun.wait(10)
            threading.Timer(0.2, interrupted.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert steps == []
