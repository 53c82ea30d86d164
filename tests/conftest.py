"""Settings of all tests: one thread, a temporary cache, and the folder of real images where there is one.

The networks are too small to benefit from several threads, and two workers with one thread per core slow each other
down.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("same everywhere", deadline=None, derandomize=True)  # this machine may be slow or busy
settings.load_profile("same everywhere")

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; processes that tests start inherit it

NO_REAL_DATA = "no real images: put them in ../shared/data, or set RESIDERM_DATA to their folder"


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESIDERM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    """Restore the loggers that a service configures, so that later tests can capture its log."""
    loggers = [logging.getLogger(name) for name in ("residerm.service", "uvicorn")]
    before = [(one.handlers, one.propagate, one.level) for one in loggers]
    yield
    for one, (handlers, propagate, level) in zip(loggers, before, strict=True):
        one.handlers, one.propagate = handlers, propagate
        one.setLevel(level)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with `ham10000` and `isic2016`; without it, the test is skipped."""
    named = os.environ.get("RESIDERM_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not (folder / "ham10000").is_dir():
        pytest.skip(NO_REAL_DATA)
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a warning if tests on real images were skipped."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if NO_REAL_DATA in str(report.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} tests did not run: {NO_REAL_DATA}", yellow=True, bold=True)
