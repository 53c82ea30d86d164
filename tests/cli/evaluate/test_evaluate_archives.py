"""`residerm evaluate --data` and `--against`: other archives, images seen in training, comparisons of runs."""

import csv
import json
import re
import shutil
from pathlib import Path

import archives
import numpy as np
import pytest
import sample_runs
from evaluations import evaluate_run, newest_evaluation, read_predictions, refuse, train_run

from residerm import cli
from residerm.evaluation.unseen import KnownImages
from residerm.runs import Evaluation, open_run


def test_other_archive_with_matching_class_names(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """ISIC 2019 has ak instead of akiec, and scc: these classes are unknown to the model, which is reported."""
    other = archives.isic2019(tmp_path / "isic2019", change=lambda line: line | {"image": line["image"]})
    scores = evaluate_run(run, "--data", str(other), folder="isic2019-all")
    assert set(scores["mapping"]["unmapped"]) == {"ak", "scc"}
    assert "the model does not have it" in capsys.readouterr().err
    assert scores["by_class"]["akiec"]["sensitivity"]["absent"]
    assert "gap" not in scores


def test_partial_archive_is_reported(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = archives.ham10000(tmp_path / "larger", lesions=140)
    assert cli.run(["evaluate", str(run), "--data", str(other)]) == 0
    message = " ".join(capsys.readouterr().err.split())
    assert re.search(r"This is a part of HAM10000: \d+ of its 10,015 images\.", message)


def test_other_archive_mapped_to_malignancy(run: Path, tmp_path: Path) -> None:
    other = archives.isic2019(tmp_path / "isic2019")
    scores = evaluate_run(run, "--data", str(other), "--task", "malignancy", folder="isic2019-all-malignancy")
    assert scores["classes"] == ["benign", "malignant"]
    assert scores["mapping"]["map"]["scc"] == scores["mapping"]["model"]["akiec"] == "malignant"
    for row in read_predictions(run, "isic2019-all-malignancy"):
        assert float(row["p_benign"]) + float(row["p_malignant"]) == pytest.approx(1, abs=1e-5)


def test_model_of_diagnoses_on_isic_2016(run: Path, tmp_path: Path) -> None:
    other = archives.isic2016(tmp_path / "isic2016", images=12)
    scores = evaluate_run(run, "--data", str(other), folder="isic2016-all-melanoma")
    assert scores["classes"] == ["not_melanoma", "melanoma"]
    assert scores["mapping"]["model"]["bcc"] == "not_melanoma"


def test_archive_of_the_run_gives_the_test_part(run: Path, archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = evaluate_run(run, "--data", str(archive), folder="ham10000-all")
    assert "images used for training or model selection are left out" in capsys.readouterr().err
    assert whole["headline"]["accuracy"]["value"] == evaluate_run(run)["headline"]["accuracy"]["value"]


def test_two_runs_on_the_same_images(run: Path, archive: Path, tmp_path: Path) -> None:
    other = train_run(archive, tmp_path / "other", model="logistic")
    folder = f"ham10000-test-against-{other.name}"
    evaluate_run(run, "--against", str(other), folder=folder)
    comparison = json.loads((newest_evaluation(run, folder) / "comparison.json").read_text())
    own, its = evaluate_run(run), evaluate_run(other)
    difference = own["headline"]["accuracy"]["value"] - its["headline"]["accuracy"]["value"]
    found = comparison["differences"]["accuracy"]
    assert found["value"] == pytest.approx(difference)
    assert found["low"] <= found["value"] <= found["high"]
    assert 0 <= comparison["mcnemar"]["p"] <= 1
    assert other.name in (run / "report.html").read_text()


def test_images_seen_by_the_other_run_are_excluded(
    run: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = train_run(archive, tmp_path / "other", "--split-seed", "3")
    folder = f"ham10000-test-against-{other.name}"
    scores = evaluate_run(run, "--against", str(other), folder=folder)
    assert "was trained on are left out" in capsys.readouterr().err
    mine, its = ({row["image_id"] for row in csv.DictReader((one / "splits.csv").open()) if row["part"] == "test"}
                 for one in (run, other))  # fmt: skip
    assert {row["image_id"] for row in read_predictions(run, folder)} <= mine & its
    assert scores["images"] == len(read_predictions(run, folder))


def csv_archive(folder: Path, seeds: range, name: str = "labels.csv") -> Path:
    """A table of images named 0.jpg, 1.jpg, … with different contents."""
    (folder / "images").mkdir(parents=True)
    for place, seed in enumerate(seeds):
        (folder / "images" / f"{place}.jpg").write_bytes(archives.make_jpeg(seed))
    rows = [f"images/{place}.jpg,{('mel', 'nv')[place % 2]}" for place in range(len(seeds))]
    (folder / name).write_text("\n".join(["path,label", *rows]) + "\n")
    return folder / name


def test_archives_of_the_same_name_are_different_evaluations(run: Path, tmp_path: Path) -> None:
    first, second = (csv_archive(tmp_path / name, seeds) for name, seeds in (("a", range(20)), ("b", range(20, 44))))
    assert evaluate_run(run, "--data", str(first), folder="labels-all")["images"] == 20
    scores = evaluate_run(run, "--data", str(second), folder="labels-all")
    assert scores["images"] == 24
    assert scores["path"] == str(second)
    assert len(list((run / "evaluations").iterdir())) == 2


def test_changed_archive_or_precision_is_another_evaluation(run: Path, tmp_path: Path) -> None:
    table = csv_archive(tmp_path / "a", range(20))
    before = evaluate_run(run, "--data", str(table), folder="labels-all")
    table.write_text(table.read_text().replace("0.jpg,mel", "0.jpg,nv"))
    after = evaluate_run(run, "--data", str(table), folder="labels-all")
    assert before["content"] != after["content"]
    assert before["counts"] != after["counts"]
    assert cli.run(["evaluate", str(run), "--data", str(table), "--precision", "bf16"]) == 0
    assert Evaluation.read(newest_evaluation(run, "labels-all")).scores.precision == "bf16"
    assert len(list((run / "evaluations").iterdir())) == 3


def test_model_of_the_same_name_is_another_comparison(run: Path, tmp_path: Path) -> None:
    for place in ("o1", "o2"):
        shutil.copytree(run, tmp_path / place / "x")
    sample_runs.update_json(tmp_path / "o2" / "x" / "bundle" / "model.json", prior=[*[0.01] * 6, 0.94])
    for place in ("o1", "o2"):
        evaluate_run(
            run,
            "--decide",
            "balanced",
            "--against",
            str(tmp_path / place / "x"),
            folder="ham10000-test-balanced-against-x",
        )
    assert len(list((run / "evaluations").iterdir())) == 2


def test_renamed_training_images_are_excluded(
    run: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from residerm.data.archives import open_archive

    records = open_archive(archive)
    (tmp_path / "clinic" / "images").mkdir(parents=True)
    rows = []
    for row in range(len(records)):
        (tmp_path / "clinic" / "images" / f"{row}.jpg").write_bytes(records.read(row))
        rows.append(f"images/{row}.jpg,{records.classes[records.labels[row]]}")
    table = tmp_path / "clinic" / "labels.csv"
    table.write_text("\n".join(["path,label", *rows]) + "\n")
    scores = evaluate_run(run, "--data", str(table), folder="labels-all")
    assert scores["images"] == evaluate_run(run)["images"]
    assert "images used for training or model selection are left out" in capsys.readouterr().err


def test_run_without_contents_file_identifies_its_images(run: Path) -> None:
    """From the files of its archive, if it still exists."""
    known = KnownImages.of(open_run(run))
    (run / "contents.csv").unlink()
    assert known.contents
    assert KnownImages.of(open_run(run)).contents == known.contents


def test_equal_ids_in_unrelated_archives_are_different_images(tmp_path: Path) -> None:
    mine, other = (csv_archive(tmp_path / name, seeds) for name, seeds in (("a", range(60)), ("b", range(60, 120))))
    run = train_run(mine, tmp_path / "runs")
    assert evaluate_run(run, "--data", str(other), folder="labels-all")["images"] == 60


def test_test_part_mapped_to_malignancy(run: Path) -> None:
    scores = evaluate_run(run, "--task", "malignancy", folder="ham10000-test-malignancy")
    assert scores["classes"] == ["benign", "malignant"]
    whole = evaluate_run(run)
    confusion, malignant = np.array(whole["confusion"]), np.isin(whole["classes"], whole["malignancy"]["malignant"])
    assert scores["counts"]["malignant"]["images"] == confusion[malignant].sum()
    auc = scores["by_class"]["malignant"]["auc"]["value"]
    assert auc == pytest.approx(whole["malignancy"]["scores"]["auc"]["value"])


def test_task_that_does_not_follow_from_the_classes_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train_run(archives.csv_table(tmp_path / "animals", images=60), tmp_path / "runs")
    assert "class cat, dog is ambiguous" in refuse(capsys, str(run), "--task", "malignancy", code=2)


def test_changed_labels_are_refused(
    run: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = Path(shutil.copytree(archive, tmp_path / "changed"))
    (table,) = changed.glob("*.csv")
    table.write_text(table.read_text().replace(",vasc,", ",df,", 1))
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(str(archive), str(changed)))
    assert "have changed since" in refuse(capsys, str(run), code=1)


def test_moved_archive(run: Path, archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(str(archive), "/nowhere"))
    assert "/nowhere" in refuse(capsys, str(run), code=1)


def test_melanoma_and_malignancy_are_not_compared(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train_run(archive, tmp_path / "runs", "--task", "malignancy")
    other = archives.isic2016(tmp_path / "isic2016")
    error = refuse(capsys, str(run), "--data", str(other), code=2)
    assert "never compared" in error
    assert "basal cell carcinoma" in error
    assert not (run / "evaluations").exists()


def test_archive_without_unseen_images_is_refused(run: Path, archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (run / "splits.csv").read_text().replace(",test\n", ",train\n")
    (run / "splits.csv").write_text(lines)
    assert "no test part" in refuse(capsys, str(run), code=2)
    assert "none are left to score" in refuse(capsys, str(run), "--data", str(archive), code=2)


def test_incomparable_models_are_refused(
    run: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = train_run(archive, tmp_path / "runs", "--task", "malignancy")
    assert "compare on another archive with --data" in refuse(capsys, str(run), "--against", str(other), code=2)


def test_unreadable_image_in_another_archive(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = archives.isic2019(tmp_path / "other", packed=False)
    broken = sorted(other.rglob("*.jpg"))[0]
    broken.write_bytes(broken.read_bytes()[:200])
    error = refuse(capsys, str(run), "--data", str(other), code=1)
    assert "the image is cut short" in error
    assert "--on-bad-image skip" in error or "--on-bad-image=skip" in error
    assert cli.run(["evaluate", str(run), "--data", str(other), "--on-bad-image", "skip", "--layout", "isic2019"]) == 0
    assert f"1 unreadable image left out: {broken}" in capsys.readouterr().err
    assert "--data" in refuse(capsys, str(run), "--on-bad-image", "skip", code=2)
