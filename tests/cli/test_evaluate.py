"""`residerm evaluate`: the test part, other archives, comparisons and refusals."""

import csv
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import archives
import numpy as np
import pytest
import sample_runs
from sklearn.metrics import balanced_accuracy_score
from system_limits import error_without_permissions, folder_for_all

import residerm
from residerm import cli
from residerm.evaluation.unseen import KnownImages
from residerm.inference import load
from residerm.inference.bundle import STARTER
from residerm.runs import Evaluation, open_run
from residerm.scores import assess, point_scores

SMALL = ("--size", "32", "--batch-size", "16", "--epochs", "2", "--precision", "float32")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=140)


def trained(archive: Path, runs: Path, *options: str, model: str = "cnn") -> Path:
    given = ["train", str(archive), "--model", model, *SMALL, *options, "--runs", str(runs)]
    assert cli.run(given) == 0
    (run,) = runs.iterdir()
    return run


@pytest.fixture(scope="module")
def trained_once(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(archive, tmp_path_factory.mktemp("runs"), "--class-weight-power", "1")


@pytest.fixture
def run(trained_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_once, tmp_path / trained_once.name))


def evaluated(run: Path, *options: str, folder: str = "ham10000-test") -> dict[str, Any]:
    assert cli.run(["evaluate", str(run), "--precision", "float32", *options]) == 0
    scores: dict[str, Any] = json.loads((folder_of(run, folder) / "scores.json").read_text())
    return scores


def folder_of(run: Path, name: str = "ham10000-test") -> Path:
    """The newest evaluation of this name."""
    found = [
        path for path in (run / "evaluations").iterdir() if re.fullmatch(f"{re.escape(name)}-[0-9a-f]{{8}}", path.name)
    ]
    return max(found, key=lambda path: (path / "scores.json").stat().st_mtime_ns)


def predictions(run: Path, folder: str = "ham10000-test") -> list[dict[str, str]]:
    with (folder_of(run, folder) / "predictions.csv").open() as stream:
        return list(csv.DictReader(stream))


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> str:
    capsys.readouterr()
    assert cli.run(["evaluate", *arguments]) == code
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error.splitlines()[-1]


def test_only_the_test_part_is_scored(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = evaluated(run)
    with (run / "splits.csv").open() as stream:
        parts = {line["image_id"]: line["part"] for line in csv.DictReader(stream)}
    rows = predictions(run)
    assert {parts[row["image_id"]] for row in rows} == {"test"}
    assert len(rows) == scores["images"] == sum(part == "test" for part in parts.values())
    classes = scores["classes"]
    labels = np.array([classes.index(row["label"]) for row in rows])
    shares = np.array([[float(row[f"p_{name}"]) for name in classes] for row in rows])
    expected = point_scores(labels, shares).values
    for name in ("balanced_accuracy", "accuracy", "macro_auc"):
        assert scores["headline"][name]["value"] == pytest.approx(expected[name], abs=1e-4)
    printed = capsys.readouterr().out
    assert "Not a medical device" in printed
    assert "intervals by resampling lesions" in printed
    assert (run / "report.html").stat().st_size > 10_000
    assert "Not a medical device" in (run / "MODEL_CARD.md").read_text()
    assert {path.suffix for path in (folder_of(run) / "figures").iterdir()} == {".png", ".svg"}


def test_bundle_without_run_is_scored_on_unseen_images(run: Path, archive: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(run / "bundle", tmp_path / "bundle"))
    with (run / "splits.csv").open() as stream:
        parts = {line["image_id"]: line["part"] for line in csv.DictReader(stream)}
    assert cli.run(["evaluate", str(bundle), "--data", str(archive)]) == 0
    with (folder_of(bundle, "ham10000-all") / "predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert sorted(row["image_id"] for row in rows) == sorted(name for name, part in parts.items() if part == "test")
    assert load(bundle).description == load(run).description  # it still is a bundle


def test_starter_model_is_scored_outside_the_package(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(STARTER.iterdir())
    evaluation = residerm.evaluate("starter", data=archive)
    assert evaluation.folder.parent == Path("starter-evaluations")
    assert evaluation.folder.is_dir()
    assert sorted(STARTER.iterdir()) == before


def test_bundle_requires_an_archive(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["evaluate", str(run / "bundle")]) == 2
    assert "is a bundle, which has no test part: give an archive with --data" in capsys.readouterr().err


@pytest.mark.parametrize("missing", [["config.yaml"], ["splits.csv"], ["config.yaml", "splits.csv"]])
def test_a_run_that_lost_a_file_is_not_called_a_bundle(
    run: Path, missing: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in missing:
        (run / name).unlink()
    message = refused(capsys, str(run), code=1)
    assert f"{run} is not a run, or damaged: {', '.join(missing)} missing" in message


def test_outputs_are_saved_in_full_precision(run: Path) -> None:
    evaluated(run)
    evaluation = Evaluation.read(folder_of(run))
    table, outputs = evaluation.predictions, evaluation.outputs
    assert outputs.features is not None
    assert len(outputs.logits) == len(outputs.features) == len(table)
    kept = (evaluation.folder / "predictions.csv").read_text().splitlines()[1].split(",")[4]
    assert repr(float(kept)) == kept
    assert len(kept) > 10


def test_gap_uses_training_images_without_augmentation(run: Path) -> None:
    scores = evaluated(run)
    gap, training = scores["gap"], scores["training"]
    assert training["images"] == scores["images"] < training["of"]
    for name in ("accuracy", "log_loss"):
        difference = training["headline"][name]["value"] - scores["headline"][name]["value"]
        assert gap[name] == pytest.approx(difference)


def test_two_equal_evaluations_at_the_same_time(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = sys.modules["residerm.evaluation.evaluate"]
    evaluated(run)
    finished = folder_of(run)
    other = Path(shutil.move(finished, tmp_path / "other"))

    def meanwhile(*given: object) -> object:
        shutil.move(other, finished)
        return trust_scores(*given)  # type: ignore[arg-type]

    trust_scores = module.trust_scores
    monkeypatch.setattr(module, "trust_scores", meanwhile)
    before = (other / "scores.json").read_bytes()
    evaluated(run)
    assert (finished / "scores.json").read_bytes() == before
    assert [path.name for path in (run / "evaluations").iterdir()] == [finished.name]
    assert "already exists" not in capsys.readouterr().err


def test_existing_evaluation_is_shown_or_overwritten(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluated(run)
    path = folder_of(run) / "scores.json"
    path.write_text(path.read_text().replace('"part": "test"', '"part": "another word"'))
    evaluated(run)
    assert "--overwrite scores again" in capsys.readouterr().err
    assert "another word" in path.read_text()
    evaluated(run, "--overwrite")
    assert "another word" not in path.read_text()


def test_eight_views_and_balanced_decisions_are_separate_evaluations(run: Path) -> None:
    plain, views = evaluated(run), evaluated(run, "--tta", folder="ham10000-test-tta")
    balanced = evaluated(run, "--prior", folder="ham10000-test-prior")
    assert (plain["tta"], views["tta"], balanced["prior"]) == (False, True, True)
    prior = json.loads((run / "bundle" / "model.json").read_text())["prior"]
    classes = plain["classes"]
    for one, other in zip(predictions(run), predictions(run, "ham10000-test-prior"), strict=True):
        divided = np.array([float(one[f"p_{name}"]) for name in classes]) / prior
        found = [float(other[f"p_{name}"]) for name in classes]
        np.testing.assert_allclose(found, divided / divided.sum(), atol=1e-4)
    assert predictions(run) != predictions(run, "ham10000-test-tta")


def test_balanced_decision(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prior = np.array([0.30, 0.05, 0.10, 0.15, 0.20, 0.10, 0.10])
    sample_runs.update_json(run / "bundle" / "model.json", prior=prior.tolist())
    plain, balanced = evaluated(run), evaluated(run, "--decide", "balanced", folder="ham10000-test-balanced")
    rows, classes = predictions(run, "ham10000-test-balanced"), np.array(balanced["classes"])
    shares = np.array([[float(row[f"p_{name}"]) for name in classes] for row in rows])
    labels = np.array([row["label"] for row in rows])
    named = classes[(shares / prior).argmax(axis=1)]
    assert (named != classes[shares.argmax(axis=1)]).any()
    assert [row["predicted"] for row in rows] == named.tolist()
    found = balanced["headline"]
    assert found["balanced_accuracy"]["value"] == pytest.approx(balanced_accuracy_score(labels, named))
    assert found["macro_auc"] == plain["headline"]["macro_auc"]
    assert found["log_loss"] == plain["headline"]["log_loss"]
    assert "relative to their frequency in training" in (run / "report.html").read_text()
    assert "--prior" in refused(capsys, str(run), "--prior", "--decide", "balanced", code=2)


def test_compared_runs_use_their_own_priors(run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other"))
    sample_runs.update_json(run / "bundle" / "model.json", prior=[0.94, *[0.01] * 6])
    sample_runs.update_json(other / "bundle" / "model.json", prior=[*[0.01] * 6, 0.94])
    assert cli.run(["evaluate", str(run), "--decide", "balanced", "--against", str(other)]) == 0
    comparison = json.loads((folder_of(run, "ham10000-test-balanced-against-other") / "comparison.json").read_text())
    assert comparison["differences"]["macro_auc"]["value"] == 0
    assert comparison["differences"]["accuracy"]["value"] != 0


def test_eight_views_are_invariant_to_rotation(run: Path) -> None:
    from residerm.inference import load

    predictor = load(run)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    turned = np.ascontiguousarray(np.rot90(pixels[:, :, ::-1], 3, (1, 2)))
    np.testing.assert_allclose(
        predictor.outputs(pixels, 8).probabilities, predictor.outputs(turned, 8).probabilities, atol=1e-6
    )


def test_other_archive_with_matching_class_names(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """ISIC 2019 has ak instead of akiec, and scc: these classes are unknown to the model, which is reported."""
    other = archives.isic2019(tmp_path / "isic2019", change=lambda line: line | {"image": line["image"]})
    scores = evaluated(run, "--data", str(other), folder="isic2019-all")
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
    scores = evaluated(run, "--data", str(other), "--task", "malignancy", folder="isic2019-all-malignancy")
    assert scores["classes"] == ["benign", "malignant"]
    assert scores["mapping"]["map"]["scc"] == scores["mapping"]["model"]["akiec"] == "malignant"
    for row in predictions(run, "isic2019-all-malignancy"):
        assert float(row["p_benign"]) + float(row["p_malignant"]) == pytest.approx(1, abs=1e-5)


def test_model_of_diagnoses_on_isic_2016(run: Path, tmp_path: Path) -> None:
    other = archives.isic2016(tmp_path / "isic2016", images=12)
    scores = evaluated(run, "--data", str(other), folder="isic2016-all-melanoma")
    assert scores["classes"] == ["not_melanoma", "melanoma"]
    assert scores["mapping"]["model"]["bcc"] == "not_melanoma"


def test_archive_of_the_run_gives_the_test_part(run: Path, archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = evaluated(run, "--data", str(archive), folder="ham10000-all")
    assert "images used for training or model selection are left out" in capsys.readouterr().err
    assert whole["headline"]["accuracy"]["value"] == evaluated(run)["headline"]["accuracy"]["value"]


def test_two_runs_on_the_same_images(run: Path, archive: Path, tmp_path: Path) -> None:
    other = trained(archive, tmp_path / "other", model="logistic")
    folder = f"ham10000-test-against-{other.name}"
    evaluated(run, "--against", str(other), folder=folder)
    comparison = json.loads((folder_of(run, folder) / "comparison.json").read_text())
    own, its = evaluated(run), evaluated(other)
    difference = own["headline"]["accuracy"]["value"] - its["headline"]["accuracy"]["value"]
    found = comparison["differences"]["accuracy"]
    assert found["value"] == pytest.approx(difference)
    assert found["low"] <= found["value"] <= found["high"]
    assert 0 <= comparison["mcnemar"]["p"] <= 1
    assert other.name in (run / "report.html").read_text()


def test_images_seen_by_the_other_run_are_excluded(
    run: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = trained(archive, tmp_path / "other", "--split-seed", "3")
    folder = f"ham10000-test-against-{other.name}"
    scores = evaluated(run, "--against", str(other), folder=folder)
    assert "was trained on are left out" in capsys.readouterr().err
    mine, its = ({row["image_id"] for row in csv.DictReader((one / "splits.csv").open()) if row["part"] == "test"}
                 for one in (run, other))  # fmt: skip
    assert {row["image_id"] for row in predictions(run, folder)} <= mine & its
    assert scores["images"] == len(predictions(run, folder))


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
    assert evaluated(run, "--data", str(first), folder="labels-all")["images"] == 20
    scores = evaluated(run, "--data", str(second), folder="labels-all")
    assert scores["images"] == 24
    assert scores["path"] == str(second)
    assert len(list((run / "evaluations").iterdir())) == 2


def test_changed_archive_or_precision_is_another_evaluation(run: Path, tmp_path: Path) -> None:
    table = csv_archive(tmp_path / "a", range(20))
    before = evaluated(run, "--data", str(table), folder="labels-all")
    table.write_text(table.read_text().replace("0.jpg,mel", "0.jpg,nv"))
    after = evaluated(run, "--data", str(table), folder="labels-all")
    assert before["content"] != after["content"]
    assert before["counts"] != after["counts"]
    assert cli.run(["evaluate", str(run), "--data", str(table), "--precision", "bf16"]) == 0
    assert Evaluation.read(folder_of(run, "labels-all")).scores.precision == "bf16"
    assert len(list((run / "evaluations").iterdir())) == 3


def test_model_of_the_same_name_is_another_comparison(run: Path, tmp_path: Path) -> None:
    for place in ("o1", "o2"):
        shutil.copytree(run, tmp_path / place / "x")
    sample_runs.update_json(tmp_path / "o2" / "x" / "bundle" / "model.json", prior=[*[0.01] * 6, 0.94])
    for place in ("o1", "o2"):
        evaluated(
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
    scores = evaluated(run, "--data", str(table), folder="labels-all")
    assert scores["images"] == evaluated(run)["images"]
    assert "images used for training or model selection are left out" in capsys.readouterr().err


def test_run_without_contents_file_identifies_its_images(run: Path) -> None:
    """From the files of its archive, if it still exists."""
    known = KnownImages.of(open_run(run))
    (run / "contents.csv").unlink()
    assert known.contents
    assert KnownImages.of(open_run(run)).contents == known.contents


def test_equal_ids_in_unrelated_archives_are_different_images(tmp_path: Path) -> None:
    mine, other = (csv_archive(tmp_path / name, seeds) for name, seeds in (("a", range(60)), ("b", range(60, 120))))
    run = trained(mine, tmp_path / "runs")
    assert evaluated(run, "--data", str(other), folder="labels-all")["images"] == 60


def test_test_part_mapped_to_malignancy(run: Path) -> None:
    scores = evaluated(run, "--task", "malignancy", folder="ham10000-test-malignancy")
    assert scores["classes"] == ["benign", "malignant"]
    whole = evaluated(run)
    confusion, malignant = np.array(whole["confusion"]), np.isin(whole["classes"], whole["malignancy"]["malignant"])
    assert scores["counts"]["malignant"]["images"] == confusion[malignant].sum()
    auc = scores["by_class"]["malignant"]["auc"]["value"]
    assert auc == pytest.approx(whole["malignancy"]["scores"]["auc"]["value"])


def test_task_that_does_not_follow_from_the_classes_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(archives.csv_table(tmp_path / "animals", images=60), tmp_path / "runs")
    assert "class cat, dog is ambiguous" in refused(capsys, str(run), "--task", "malignancy", code=2)


def test_unfinished_run_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "summary.json").unlink()
    assert f"train --resume {run}" in refused(capsys, str(run), code=1)


def test_classes_with_one_or_no_test_image(archive: Path, tmp_path: Path) -> None:
    first = trained(archive, tmp_path / "first")
    lines = list(csv.DictReader((first / "splits.csv").open()))
    kept = next(line["group"] for line in lines if line["part"] == "test" and line["label"] == "vasc")
    for line in lines:
        rare = line["label"] in ("df", "vasc")
        line["part"] = "train" if rare and line["part"] == "test" and line["group"] != kept else line["part"]
    split = tmp_path / "split.csv"
    with split.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    scores = evaluated(trained(archive, tmp_path / "second", "--split", str(split)))
    assert scores["by_class"]["df"]["sensitivity"]["absent"]
    assert scores["headline"]["macro_auc"]["absent"]
    assert "value" in scores["headline"]["balanced_accuracy"]


def test_changed_labels_are_refused(
    run: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = Path(shutil.copytree(archive, tmp_path / "changed"))
    (table,) = changed.glob("*.csv")
    table.write_text(table.read_text().replace(",vasc,", ",df,", 1))
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(str(archive), str(changed)))
    assert "have changed since" in refused(capsys, str(run), code=1)


def test_moved_archive(run: Path, archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(str(archive), "/nowhere"))
    assert "/nowhere" in refused(capsys, str(run), code=1)


def test_melanoma_and_malignancy_are_not_compared(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(archive, tmp_path / "runs", "--task", "malignancy")
    other = archives.isic2016(tmp_path / "isic2016")
    error = refused(capsys, str(run), "--data", str(other), code=2)
    assert "never compared" in error
    assert "basal cell carcinoma" in error
    assert not (run / "evaluations").exists()


def test_archive_without_unseen_images_is_refused(run: Path, archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (run / "splits.csv").read_text().replace(",test\n", ",train\n")
    (run / "splits.csv").write_text(lines)
    assert "no test part" in refused(capsys, str(run), code=2)
    assert "none are left to score" in refused(capsys, str(run), "--data", str(archive), code=2)


def test_incomparable_models_are_refused(
    run: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = trained(archive, tmp_path / "runs", "--task", "malignancy")
    assert "compare on another archive with --data" in refused(capsys, str(run), "--against", str(other), code=2)


def test_missing_permission_to_write(trained_once: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from residerm.evaluation import evaluate

    with folder_for_all() as place:
        run = Path(shutil.copytree(trained_once, place / "run"))
        archive = Path(shutil.copytree(_archive_of(run), place / "archive"))
        config = run / "config.yaml"
        config.write_text(config.read_text().replace(str(_archive_of(run)), str(archive)))
        cache = place / "cache"
        cache.mkdir(mode=0o777)
        cache.chmod(0o777)
        monkeypatch.setenv("RESIDERM_CACHE", str(cache))
        message = error_without_permissions(lambda: evaluate(run))
    assert message.startswith("WriteError: cannot write")
    assert "permission denied" in message


def _archive_of(run: Path) -> Path:
    import yaml

    return Path(yaml.safe_load((run / "config.yaml").read_text())["path"])


def test_predictions_without_a_class_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluated(run)
    path = folder_of(run) / "predictions.csv"
    path.write_text(path.read_text().replace("p_mel", "p_other", 1))
    assert "p_mel is missing" in refused(capsys, str(run), "--precision", "float32", code=1)


def test_mismatching_scores_and_labels_are_refused() -> None:
    from residerm.errors import UsageError

    with pytest.raises(UsageError, match="labels"):
        assess(np.array([0, 1, 2]), np.full((3, 2), 0.5), ("a", "b"), np.arange(3))


def test_unreadable_image_in_another_archive(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = archives.isic2019(tmp_path / "other", packed=False)
    broken = sorted(other.rglob("*.jpg"))[0]
    broken.write_bytes(broken.read_bytes()[:200])
    error = refused(capsys, str(run), "--data", str(other), code=1)
    assert "the image is cut short" in error
    assert "--on-bad-image skip" in error or "--on-bad-image=skip" in error
    assert cli.run(["evaluate", str(run), "--data", str(other), "--on-bad-image", "skip", "--layout", "isic2019"]) == 0
    assert f"1 unreadable image left out: {broken}" in capsys.readouterr().err
    assert "--data" in refused(capsys, str(run), "--on-bad-image", "skip", code=2)
