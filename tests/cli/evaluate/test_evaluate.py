"""`residerm evaluate`: the test part, saved evaluations, decisions and refusals."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import sample_runs
from evaluations import evaluate_run, newest_evaluation, read_predictions, refuse, train_run
from sklearn.metrics import balanced_accuracy_score
from system_limits import error_without_permissions, folder_for_all

import residerm
from residerm import cli
from residerm.inference import load
from residerm.inference.bundle import STARTER
from residerm.runs import Evaluation
from residerm.scores import assess, point_scores


def test_only_the_test_part_is_scored(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = evaluate_run(run)
    with (run / "splits.csv").open() as stream:
        parts = {line["image_id"]: line["part"] for line in csv.DictReader(stream)}
    rows = read_predictions(run)
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
    assert {path.suffix for path in (newest_evaluation(run) / "figures").iterdir()} == {".png", ".svg"}


def test_bundle_without_run_is_scored_on_unseen_images(run: Path, archive: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(run / "bundle", tmp_path / "bundle"))
    with (run / "splits.csv").open() as stream:
        parts = {line["image_id"]: line["part"] for line in csv.DictReader(stream)}
    assert cli.run(["evaluate", str(bundle), "--data", str(archive)]) == 0
    with (newest_evaluation(bundle, "ham10000-all") / "predictions.csv").open() as stream:
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
    message = refuse(capsys, str(run), code=1)
    assert f"{run} is not a run, or damaged: {', '.join(missing)} missing" in message


def test_outputs_are_saved_in_full_precision(run: Path) -> None:
    evaluate_run(run)
    evaluation = Evaluation.read(newest_evaluation(run))
    table, outputs = evaluation.predictions, evaluation.outputs
    assert outputs.features is not None
    assert len(outputs.logits) == len(outputs.features) == len(table)
    kept = (evaluation.folder / "predictions.csv").read_text().splitlines()[1].split(",")[4]
    assert repr(float(kept)) == kept
    assert len(kept) > 10


def test_gap_uses_training_images_without_augmentation(run: Path) -> None:
    scores = evaluate_run(run)
    gap, training = scores["gap"], scores["training"]
    assert training["images"] == scores["images"] < training["of"]
    for name in ("accuracy", "log_loss"):
        difference = training["headline"][name]["value"] - scores["headline"][name]["value"]
        assert gap[name] == pytest.approx(difference)


def test_existing_evaluation_is_shown_or_overwritten(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate_run(run)
    path = newest_evaluation(run) / "scores.json"
    path.write_text(path.read_text().replace('"part": "test"', '"part": "another word"'))
    evaluate_run(run)
    assert "--overwrite scores again" in capsys.readouterr().err
    assert "another word" in path.read_text()
    evaluate_run(run, "--overwrite")
    assert "another word" not in path.read_text()


def test_two_equal_evaluations_at_the_same_time(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from residerm.evaluation import evaluate as module

    evaluate_run(run)
    finished = newest_evaluation(run)
    other = Path(shutil.move(finished, tmp_path / "other"))

    def meanwhile(*given: object) -> object:
        shutil.move(other, finished)
        return trust_scores(*given)  # type: ignore[arg-type]

    trust_scores = module.trust_scores
    monkeypatch.setattr(module, "trust_scores", meanwhile)
    before = (other / "scores.json").read_bytes()
    evaluate_run(run)
    assert (finished / "scores.json").read_bytes() == before
    assert [path.name for path in (run / "evaluations").iterdir()] == [finished.name]
    assert "already exists" not in capsys.readouterr().err


def test_eight_views_and_balanced_decisions_are_separate_evaluations(run: Path) -> None:
    plain, views = evaluate_run(run), evaluate_run(run, "--tta", folder="ham10000-test-tta")
    balanced = evaluate_run(run, "--prior", folder="ham10000-test-prior")
    assert (plain["tta"], views["tta"], balanced["prior"]) == (False, True, True)
    prior = json.loads((run / "bundle" / "model.json").read_text())["prior"]
    classes = plain["classes"]
    for one, other in zip(read_predictions(run), read_predictions(run, "ham10000-test-prior"), strict=True):
        divided = np.array([float(one[f"p_{name}"]) for name in classes]) / prior
        found = [float(other[f"p_{name}"]) for name in classes]
        np.testing.assert_allclose(found, divided / divided.sum(), atol=1e-4)
    assert read_predictions(run) != read_predictions(run, "ham10000-test-tta")


def test_balanced_decision(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prior = np.array([0.30, 0.05, 0.10, 0.15, 0.20, 0.10, 0.10])
    sample_runs.update_json(run / "bundle" / "model.json", prior=prior.tolist())
    plain, balanced = evaluate_run(run), evaluate_run(run, "--decide", "balanced", folder="ham10000-test-balanced")
    rows, classes = read_predictions(run, "ham10000-test-balanced"), np.array(balanced["classes"])
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
    assert "--prior" in refuse(capsys, str(run), "--prior", "--decide", "balanced", code=2)


def test_compared_runs_use_their_own_priors(run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other"))
    sample_runs.update_json(run / "bundle" / "model.json", prior=[0.94, *[0.01] * 6])
    sample_runs.update_json(other / "bundle" / "model.json", prior=[*[0.01] * 6, 0.94])
    assert cli.run(["evaluate", str(run), "--decide", "balanced", "--against", str(other)]) == 0
    comparison = json.loads(
        (newest_evaluation(run, "ham10000-test-balanced-against-other") / "comparison.json").read_text()
    )
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


def test_unfinished_run_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "summary.json").unlink()
    assert f"train --resume {run}" in refuse(capsys, str(run), code=1)


def test_classes_with_one_or_no_test_image(archive: Path, tmp_path: Path) -> None:
    first = train_run(archive, tmp_path / "first")
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
    scores = evaluate_run(train_run(archive, tmp_path / "second", "--split", str(split)))
    assert scores["by_class"]["df"]["sensitivity"]["absent"]
    assert scores["headline"]["macro_auc"]["absent"]
    assert "value" in scores["headline"]["balanced_accuracy"]


def _archive_of(run: Path) -> Path:
    import yaml

    return Path(yaml.safe_load((run / "config.yaml").read_text())["path"])


def test_missing_permission_to_write(trained_once: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from residerm.evaluation.evaluate import evaluate

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


def test_predictions_without_a_class_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate_run(run)
    path = newest_evaluation(run) / "predictions.csv"
    path.write_text(path.read_text().replace("p_mel", "p_other", 1))
    assert "p_mel is missing" in refuse(capsys, str(run), "--precision", "float32", code=1)


def test_mismatching_scores_and_labels_are_refused() -> None:
    from residerm.errors import UsageError

    with pytest.raises(UsageError, match="labels"):
        assess(np.array([0, 1, 2]), np.full((3, 2), 0.5), ("a", "b"), np.arange(3))
