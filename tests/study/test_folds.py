"""Cross-validation: each image predicted once, unfinished folds resumed, scores compared with scikit-learn."""

from __future__ import annotations

import csv
from pathlib import Path

import archives
import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from residerm import cli
from residerm.errors import UsageError
from residerm.runs import Run, find_runs
from residerm.study import FoldScores, folds

SMALL = ("--model", "resnet20", "--width", "4", "--size", "32", "--batch-size", "16", "--epochs", "1")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=105, synthetic=True)


@pytest.fixture(scope="module")
def runs(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "runs"
    assert train(archive, folder) == 0
    return folder


def train(archive: Path, runs: Path, *more: str) -> int:
    return cli.run(["train", str(archive), *SMALL, "--folds", "2", "--fold", "all", "--runs", str(runs), *more])


def document(runs: Path) -> FoldScores:
    (folder,) = runs.glob("*-all-2-folds")
    return FoldScores.read(folder / "folds.json")


def test_every_image_is_predicted_once_by_a_model_that_has_not_seen_it(runs: Path) -> None:
    made = find_runs(runs)
    assert [run.experiment.split.fold for run in made] == [0, 1]
    (table,) = runs.glob("*-all-2-folds/predictions.csv")
    names = [row["image_id"] for row in csv.DictReader(table.open())]
    tested = [row.image_id for run in made for row in run.splits if row.part == "test"]
    assert sorted(names) == sorted(tested) == sorted(row.image_id for row in made[0].splits)


def test_scores_match_scikit_learn_and_numpy(runs: Path) -> None:
    scores = document(runs)
    (table,) = runs.glob("*-all-2-folds/predictions.csv")
    rows = list(csv.DictReader(table.open()))
    expected = balanced_accuracy_score([row["label"] for row in rows], [row["predicted"] for row in rows])
    assert scores.pooled.headline["balanced_accuracy"].value == pytest.approx(expected)
    assert scores.pooled.headline["macro_auc"].interval
    assert scores.pooled.bootstrap.unit == "lesion"
    assert scores.synthetic
    single = [one.scores["accuracy"] for one in scores.folds]
    assert scores.over_folds["accuracy"].mean == pytest.approx(np.mean(single))
    assert scores.over_folds["accuracy"].deviation == pytest.approx(np.std(single, ddof=1))


def test_finished_folds_are_kept_and_others_resumed(
    archive: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, scores = sorted(runs.iterdir()), document(runs)
    (find_runs(runs)[1].folder / "summary.json").unlink()
    assert train(archive, runs) == 0
    shown = capsys.readouterr()
    assert sorted(runs.iterdir()) == before
    assert document(runs).pooled == scores.pooled
    assert document(runs).over_folds == scores.over_folds
    assert "is already finished" in shown.err
    assert "is resumed" in shown.err
    for word in ("mean", "standard deviation", "pooled", "95 % interval", "Not a medical device"):
        assert word in shown.out


def test_interrupted_fold_stops_cross_validation(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(folds.session, "train", lambda *_: Run(tmp_path / "interrupted"))
    assert train(archive, tmp_path / "runs") == 130
    assert "the same command resumes it" in capsys.readouterr().err


def test_folds_of_a_changed_archive_are_not_pooled(runs: Path) -> None:
    first = find_runs(runs)[0]
    with pytest.raises(folds.RunError, match="different states of one archive"):
        folds._require_each_image_once([first, first])


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["train", "--fold", "all"], "--fold all needs the number of folds: give --folds too, such as --folds 5"),
        (["train", "--fold", "all", "--folds", "2", "--split", "archive"], "--split archive has fixed parts"),
        (["train", "--fold", "all", "--folds", "2", "--members", "2"], "--members and --fold all cannot be combined"),
        (["train", "--fold", "all", "--folds", "2", "--devices", "2"], "--fold all trains in one process"),
        (["train", "--fold", "every", "--folds", "2"], "--fold must be"),
        (["train", "--fold", "2", "--folds", "2"], "with --folds 2 the folds are 0 to 1"),
        (["data", "split", "--fold", "all", "--folds", "2", "--out", "parts"], "give the number of one fold"),
    ],
)
def test_invalid_options_are_refused_before_anything_is_written(
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run([*command, str(archive)]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_train_with_all_folds_names_the_right_function(archive: Path, tmp_path: Path) -> None:
    import residerm

    with pytest.raises(UsageError, match=r"residerm\.train_folds"):
        residerm.train(archive, folds=2, fold="all", runs=tmp_path / "runs")
