"""Work in threads: every row once, errors are raised, progress reaches the total."""

import threading

import numpy as np  # noqa: F401, its library is the one that is limited
import pytest
from threadpoolctl import threadpool_info

from residerm.parallel import blas_in_one_thread, cores, in_chunks


def test_every_row_once_and_progress_reaches_the_total() -> None:
    seen: list[int] = []
    reports: list[tuple[int, int]] = []
    lock = threading.Lock()

    def work(start: int, stop: int) -> None:
        with lock:
            seen.extend(range(start, stop))

    in_chunks(1000, work, lambda done, total: reports.append((done, total)))
    assert sorted(seen) == list(range(1000))
    assert reports[-1] == (1000, 1000)
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)


def test_no_rows() -> None:
    in_chunks(0, lambda start, stop: pytest.fail(f"called for {start} to {stop}"))
    assert cores() >= 1


def test_first_error_stops_the_work() -> None:
    done: list[int] = []

    def work(start: int, stop: int) -> None:
        if start >= 128:
            raise ValueError(f"rows from {start} to {stop}")
        done.append(start)

    with pytest.raises(ValueError, match="rows from"):
        in_chunks(1_000_000, work)
    assert len(done) < 100


def test_overlapping_limits_of_blas_end_with_the_last() -> None:
    def threads() -> set[int]:
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    before, first, second = threads(), blas_in_one_thread(), blas_in_one_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert threads() == {1}
    second.__exit__(None, None, None)
    assert threads() == before
