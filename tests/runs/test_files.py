"""The files of a run: round trips, older formats, and one sentence for damaged ones."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sample_runs

from residerm.documents import DocumentError
from residerm.errors import ResidermError
from residerm.outputs import Outputs
from residerm.runs import (
    Environment,
    Epoch,
    Evaluation,
    PredictionTable,
    Run,
    SplitRow,
    read_outputs,
    read_splits,
    split_bytes,
    write_outputs,
)
from residerm.runs.metrics import metrics_bytes, read_metrics


def test_document_round_trip(tmp_path: Path) -> None:
    written = Environment.here()
    written.write(tmp_path / "environment.json")
    assert Environment.read(tmp_path / "environment.json") == written


def test_scores_round_trip(tmp_path: Path) -> None:
    folder = sample_runs.make_evaluation(sample_runs.make_run(tmp_path))
    scores = Evaluation.read(folder).scores
    scores.write(folder / "again.json")
    assert type(scores).read(folder / "again.json") == scores


@pytest.mark.parametrize("name", ["decide", "precision", "seconds", "gap", "training", "mapping"])
def test_older_scores_are_read(tmp_path: Path, name: str) -> None:
    path = sample_runs.make_evaluation(sample_runs.make_run(tmp_path)) / "scores.json"
    content = json.loads(path.read_text())
    content.pop(name, None)
    path.write_text(json.dumps(content))
    assert Evaluation.read(path.parent).plain


def test_newer_fields_are_ignored_and_other_formats_refused(tmp_path: Path) -> None:
    path = sample_runs.make_evaluation(sample_runs.make_run(tmp_path)) / "scores.json"
    sample_runs.update_json(path, something={"new": 1})
    assert Evaluation.read(path.parent).scores.images == 60
    sample_runs.update_json(path, format=7)
    with pytest.raises(DocumentError, match=r"scores\.json has format 7, from a newer version of residerm: update"):
        Evaluation.read(path.parent)
    sample_runs.update_json(path, format=0)
    with pytest.raises(DocumentError, match=r"its format 0 is not supported by this version .*residerm evaluate"):
        Evaluation.read(path.parent)


DAMAGES = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda _: b"",
    "with a NUL": lambda content: content[:9] + b"\0" + content[9:],
    "not UTF-8": lambda content: content[:9] + b"\xff" + content[9:],
    "nested": lambda _: b"[" * 100_000,
    "digits": lambda _: b"9" * 6000,
    "null": lambda _: b"null",
}
READERS: dict[str, Callable[[Run], object]] = {
    "config.yaml": lambda run: run.experiment,
    "data.json": lambda run: run.data,
    "environment.json": lambda run: run.environment,
    "metrics.csv": lambda run: run.epochs,
    "splits.csv": lambda run: run.splits,
    "summary.json": lambda run: run.summary,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_named_in_one_line(name: str, damage: str, tmp_path: Path) -> None:
    run = sample_runs.make_run(tmp_path)
    path = run.folder / name
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    try:
        READERS[name](run)
    except ResidermError as error:
        said = str(error)
        assert said.startswith(str(path))
        assert said.endswith("the run is damaged; train it again")
        assert "\n" not in said
        assert len(said) < len(str(path)) + 400
    else:
        assert path.suffix == ".csv"  # a shorter table can be a valid one


def test_a_pipe_in_place_of_a_table_is_not_waited_for(tmp_path: Path) -> None:
    run = sample_runs.make_run(tmp_path)
    path = run.folder / "splits.csv"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DocumentError, match="a pipe or a device"):
        _ = run.splits


def test_a_document_without_its_format_is_not_repeated(tmp_path: Path) -> None:
    path = sample_runs.make_evaluation(sample_runs.make_run(tmp_path)) / "scores.json"
    for content, reason in (
        ({"other": list(range(9999))}, "format is missing"),
        ({"format": "7" * 9999}, "its format '777"),
    ):
        path.write_text(json.dumps(content))
        with pytest.raises(DocumentError, match=reason) as failure:
            Evaluation.read(path.parent)
        assert len(str(failure.value)) < 2 * len(str(path)) + 400


def test_epochs_round_trip_and_older_epochs(tmp_path: Path) -> None:
    path, epochs = tmp_path / "metrics.csv", [Epoch(1, 0.5, 0.25, 1, 2.5, {"macro_auc": 0.1 + 0.2})]
    path.write_bytes(metrics_bytes(epochs))
    assert read_metrics(path) == epochs
    path.write_text("epoch,train_loss,train_accuracy,accuracy\n3,1.0,0.5,\n")
    assert read_metrics(path) == [Epoch(3, 1.0, 0.5, kept_epoch=3, seconds=0.0)]
    assert read_metrics(tmp_path / "not-there.csv") == []
    path.write_text("epoch,train_loss,train_accuracy\none,1,1\n")
    with pytest.raises(DocumentError, match=r"metrics.csv cannot be used .*one"):
        read_metrics(path)


def test_image_in_two_parts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "splits.csv"
    rows = [SplitRow("a", "1", "nv", "train"), SplitRow("b", "2", "nv", "test"), SplitRow("a", "1", "nv", "test")]
    path.write_bytes(split_bytes(rows, folds=False))
    with pytest.raises(DocumentError, match="has image a in two parts, train and test"):
        read_splits(path)
    path.write_bytes(split_bytes(rows[:2], folds=False))
    assert read_splits(path) == rows[:2]


def test_predictions_keep_full_precision(tmp_path: Path) -> None:
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], 5).astype(np.float32)
    labels = np.array([0, 1, 2, 1, 0])
    table = PredictionTable(
        ("bkl", "mel", "nv"), [f"i{row}" for row in range(5)], ["1", "1", "2", "3", "4"], labels,
        probabilities.argmax(axis=1), probabilities, ["male", "", "female", "", ""], [30.0, None, 45.5, None, 1.0],
        [""] * 5,
    )  # fmt: skip
    table.write(tmp_path / "predictions.csv")
    found = PredictionTable.read(tmp_path / "predictions.csv", table.classes)
    np.testing.assert_array_equal(found.probabilities.astype(np.float32), probabilities)
    np.testing.assert_array_equal(found.labels, labels)
    assert (found.image_ids, found.ages, found.sexes) == (table.image_ids, table.ages, table.sexes)


@pytest.mark.parametrize("features", [None, np.ones((2, 4), np.float32)])
def test_outputs_round_trip(tmp_path: Path, features: np.ndarray | None) -> None:
    outputs = Outputs(np.array([[1.5, -2], [0, 3]], np.float32), features)
    write_outputs(tmp_path / "outputs.npz", outputs)
    found = read_outputs(tmp_path / "outputs.npz")
    np.testing.assert_array_equal(found.logits, outputs.logits)
    assert (found.features is None) == (features is None)
    (tmp_path / "outputs.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(DocumentError, match=r"outputs\.npz cannot be used"):
        read_outputs(tmp_path / "outputs.npz")
