"""`imaging.read` on damaged files of eleven formats: only `ImageError`, bounded time and memory."""

from __future__ import annotations

import os

import pytest
from fuzzing import Findings, fuzz, mutated, seeds

from residerm import imaging


def require_harmless(findings: Findings) -> None:
    assert set(findings.outcomes) == {"read", "refused"}, findings
    assert findings.slowest < 2, findings
    assert findings.grown < 500, findings


def test_seeds_are_valid_files_of_eleven_formats():
    assert len(seeds()) == 11
    for name, files in seeds().items():
        for data in files:
            assert imaging.decode(data).mode == "RGB", name


def test_inputs_are_reproducible():
    assert mutated(3, 5) == mutated(3, 5) != mutated(4, 5)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_sample_of_damaged_files():
    require_harmless(fuzz(4000, seed=1))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_many_damaged_files():
    """RESIDERM_FUZZ is their number; a million take about an hour."""
    require_harmless(fuzz(int(os.environ.get("RESIDERM_FUZZ", "200000")), seed=2))
