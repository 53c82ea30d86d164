"""Predictions are written line by line, with the same content as the whole document."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import archives
import numpy as np
import pytest

from residerm.inference import load
from residerm.inference.parity import Engine
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


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_batches_of_several_threads_stay_in_order(exported: Path, tmp_path: Path, engine: Engine) -> None:
    predictor = load(exported, runtime=engine, threads=2)
    for number in range(11):
        (tmp_path / f"{number:02}.jpg").write_bytes(archives.make_jpeg(number, (60, 40)) if number != 4 else b"none")
    one_by_one = [line for path in sorted(tmp_path.iterdir()) for line in predict(predictor, [path])]
    together = list(predict(predictor, [tmp_path], batch_size=2))
    assert [Path(line.name).name for line in together] == [f"{number:02}.jpg" for number in range(11)]
    assert [bool(line.error) for line in together] == [number == 4 for number in range(11)]
    for line, alone in zip(together, one_by_one, strict=True):
        np.testing.assert_allclose(line.probabilities, alone.probabilities, atol=1e-5)


def test_abandoned_prediction_ends_its_threads(exported: Path, tmp_path: Path) -> None:
    lines = predict(load(exported), [making_one(tmp_path)] * 40, batch_size=1)
    next(lines)
    assert [one for one in threading.enumerate() if one.name.startswith("predict")]
    lines.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("predict")]
