"""Printing: control characters of archives and bundles are removed, and JSON is valid."""

import json
import math

import pytest

from residerm.cli.console import out, progress, remarks, show_json, show_table

STEERING = "a\x1b]0;owned\x07\x1b[2J\x9b31m\u202eb\rc\ud800"
HARMLESS = "a?]0;owned??[2J?31m?b?c?"


def test_control_characters_in_texts(capsys: pytest.CaptureFixture[str]) -> None:
    out.print(STEERING)
    remarks.print(STEERING)
    with progress() as shown:
        shown.remark(STEERING)
    printed = capsys.readouterr()
    assert printed.out == f"{HARMLESS}\n"
    assert printed.err == f"{HARMLESS}\nnote: {HARMLESS}\n"


def test_control_characters_in_tables(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(STEERING, ["name", STEERING], [[STEERING, 1], ["é ü 黑", 2]])
    printed = capsys.readouterr().out
    assert printed.count(HARMLESS) == 3
    assert "é ü 黑" in printed
    assert not set(printed) & set("\x1b\x07\x9b\u202e\r")


def test_valid_json(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"text": STEERING, "numbers": [1.5, math.nan, math.inf], "inside": {"deeper": (-math.inf, "é")}})
    printed = capsys.readouterr().out
    assert printed.isprintable() or set(printed) - set("\n") <= set(filter(str.isprintable, printed))

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found = json.loads(printed, parse_constant=refuse)
    assert found == {"text": STEERING, "numbers": [1.5, None, None], "inside": {"deeper": [None, "é"]}}
