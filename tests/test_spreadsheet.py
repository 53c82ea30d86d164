"""Cells that a spreadsheet would take for formulas are escaped and restored."""

import csv
import io

import pytest
from hypothesis import given, strategies as st

from residerm.spreadsheet import Writer, marked, unmarked


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "'=1", "--1", "-"])
def test_formulas_are_escaped(text: str) -> None:
    assert marked(text) == f"'{text}"
    assert unmarked(f"'{text}") == text


@pytest.mark.parametrize("cell", ["-0.5", "+3", "-1e-05", "1.", "-.5", "nevus", "'s", "", "a=b", -0.5, -3, None])
def test_numbers_and_plain_text_are_unchanged(cell: object) -> None:
    assert marked(cell) == cell


@given(st.text(alphabet="'=+-@\t\r1.e a", max_size=6))
def test_round_trip(text: str) -> None:
    assert unmarked(str(marked(text))) == text


def test_rows() -> None:
    stream = io.StringIO()
    Writer(stream).rows([["a", "b"], ["=1", -1.5]])
    assert list(csv.reader(io.StringIO(stream.getvalue()))) == [["a", "b"], ["'=1", "-1.5"]]
