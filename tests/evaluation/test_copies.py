"""Near duplicates of training images are scored and counted in a remark."""

import shutil
from pathlib import Path

import pytest
from recorded_progress import RecordedProgress
from sample_lesions import Line, encode, make_clean_images, make_image, write_archive

from residerm import cli
from residerm.config import EvaluateOptions
from residerm.evaluation.evaluate import evaluate
from residerm.runs import open_run

NEW = 10


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("data") / "archive", make_clean_images(40))


@pytest.fixture(scope="module")
def run(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    small = ("--model", "logistic", "--size", "16", "--epochs", "1", "--batch-size", "8")
    assert cli.run(["train", str(archive), *small, "--runs", str(runs)]) == 0
    (run,) = runs.iterdir()
    return run


def clinic(folder: Path, run: Path) -> Path:
    """New lesions and three training images: re-encoded, resized and unchanged."""
    seen = [int(row.image_id[-3:]) for row in open_run(run).splits if row.part == "train"]
    resized = make_image(seen[1]).resize((80, 60))
    copies = [
        Line("encoded", encode(make_image(seen[0]), quality=60)),
        Line("resized", encode(resized, "PNG"), suffix=".png"),
        Line("same", encode(make_image(seen[2]))),
    ]
    return write_archive(folder / "clinic", [*make_clean_images(NEW, first=100), *copies])


def remarks_on_copies(run: Path, data: Path) -> tuple[int, list[str]]:
    progress = RecordedProgress()
    evaluation = evaluate(run, EvaluateOptions(data=data, overwrite=True), progress)
    return evaluation.scores.images, [remark for remark in progress.remarks if "near copies" in remark]


def test_near_duplicates_are_scored_and_counted(run: Path, tmp_path: Path) -> None:
    images, (remark,) = remarks_on_copies(run, clinic(tmp_path, run))
    assert images == NEW + 2
    assert f"2 of {NEW + 2}, such as " in remark
    assert "encoded (of clean_" in remark or "resized (of clean_" in remark


def test_no_remark_without_near_duplicates(run: Path, archive: Path, tmp_path: Path) -> None:
    assert remarks_on_copies(run, write_archive(tmp_path / "new", make_clean_images(NEW, first=200)))[1] == []
    assert remarks_on_copies(run, archive)[1] == []


def test_near_duplicates_are_not_searched_without_the_archive(run: Path, archive: Path, tmp_path: Path) -> None:
    data = clinic(tmp_path, run)
    away = Path(shutil.move(archive, tmp_path / "away"))
    try:
        assert remarks_on_copies(Path(shutil.copytree(run, tmp_path / run.name)), data) == (NEW + 2, [])
    finally:
        shutil.move(away, archive)
