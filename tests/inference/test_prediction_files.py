"""Predictions are written line by line, with the same content as the whole document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import archives
import pytest

from residerm.inference import load
from residerm.inference.prediction import Line, as_document, predict, write_lines


@pytest.mark.parametrize("count", [0, 1, 5])
def test_written_file_equals_the_document(exported: Path, tmp_path: Path, count: int) -> None:
    predictor = load(exported)
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes(archives.make_jpeg(number, (60, 40)) if number != 3 else b"none")
    lines = list(predict(predictor, [tmp_path]))[:count]
    out = write_lines(iter(lines), predictor, tmp_path / "out.json")
    document = as_document(lines, predictor)
    assert json.loads(out.read_text()) == document
    assert out.read_text() == json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def test_interrupted_prediction_leaves_nothing(exported: Path, tmp_path: Path) -> None:
    def broken() -> Iterator[Line]:
        yield from predict(load(exported), [making_one(tmp_path)])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_lines(broken(), load(exported), tmp_path / "out.csv")
    assert {path.name for path in tmp_path.iterdir()} == {"one.jpg"}


def making_one(folder: Path) -> Path:
    (folder / "one.jpg").write_bytes(archives.make_jpeg(1, (60, 40)))
    return folder / "one.jpg"
