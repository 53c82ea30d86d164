"""The trust section of an evaluation, and outliers from other archives and folders."""

from pathlib import Path

import archives
import numpy as np
import pytest
from sample_runs import update_json

from residerm import cli
from residerm.config import EvaluateOptions
from residerm.errors import UsageError
from residerm.evaluation.evaluate import evaluate
from residerm.inference import load
from residerm.runs.evaluations import EvaluationScores

SMALL = ("--model", "cnn", "--size", "32", "--batch-size", "16", "--epochs", "1", "--precision", "float32")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    archive = archives.ham10000(folder / "archive", lesions=210)
    shares = ("--test", "0.4", "--validation", "0.3")
    assert cli.run(["train", str(archive), *SMALL, *shares, "--runs", str(folder / "runs")]) == 0
    return next((folder / "runs").iterdir())


@pytest.fixture(scope="module")
def outliers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere") / "noise"
    folder.mkdir()
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        archives.Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def scores(run: Path, outliers: Path) -> EvaluationScores:
    return evaluate(run, EvaluateOptions(outliers=(outliers,))).scores


def test_all_sections_are_present(scores: EvaluationScores, run: Path) -> None:
    trust = scores.trust
    assert trust.fitted_on == "the validation part"
    assert trust.limits == load(run).trust.summary.limits
    assert trust.calibration.after["log_loss"].value == pytest.approx(scores.headline["log_loss"].value, abs=1e-5)
    assert set(trust.sets.by_class) == set(scores.classes)
    assert trust.selective.balanced_accuracy.value == pytest.approx(scores.headline["balanced_accuracy"].value)
    assert trust.marked.n == scores.images
    assert set(trust.not_compared) | {one.attribute for one in trust.differences} == {"sex", "age", "site"}
    assert trust.decision is None


def test_report_and_card_show_trust_with_its_limits(run: Path) -> None:
    evaluation = evaluate(run)
    page = " ".join((run / "report.html").read_text().split())
    card = " ".join((run / "MODEL_CARD.md").read_text().split())
    for text in (page, card):
        assert "Calibration and uncertainty" in text
        assert "not for each patient" in text
        assert "the calibration error on this number of images" in text
        assert "are marked as unlike the training images" in text
    for limit in (
        "nothing is guaranteed",
        "can still show something",
        "alone does not show a bias",
        "not for a single patient",
    ):
        assert limit in page
    figures = {path.name for path in (evaluation.folder / "figures").iterdir()}
    assert {"calibration.svg", "risk_coverage.png"} <= figures
    assert "Reliability before and after calibration" in page


def test_command_shows_trust(run: Path, outliers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["evaluate", str(run), "--outliers", str(outliers)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for text in (
        "after minus before",
        "images from other sources",
        "sets contain the true class of",
        "most confident 80",
    ):
        assert text in printed


def test_evaluation_is_identified_by_its_outliers(run: Path, outliers: Path, tmp_path: Path) -> None:
    """By the folder and its files."""
    place = tmp_path / "not skin\n"
    place.mkdir()
    first, second = sorted(outliers.iterdir())[:2]
    (place / first.name).write_bytes(first.read_bytes())
    one = evaluate(run, EvaluateOptions(outliers=(place,)))
    assert "-outliers-not_skin_-" in one.name
    assert not evaluate(run, EvaluateOptions(outliers=(place,))).new
    (place / second.name).write_bytes(second.read_bytes())
    other = evaluate(run, EvaluateOptions(outliers=(place,)))
    assert other.new
    assert other.name != one.name


def test_outliers_are_detected(scores: EvaluationScores) -> None:
    (found,) = scores.trust.outliers
    assert (found.source, found.images) == ("noise", 12)
    assert found.auroc.value > 0.9
    assert found.auroc.low <= found.auroc.value if found.auroc.low is not None else found.auroc.no_interval
    assert 0 <= found.false_positive_rate.value <= 1


def test_empty_or_unreadable_folder_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_bytes(b"no image")
    before = sorted((run / "evaluations").iterdir()) if (run / "evaluations").exists() else []
    for name, text in {
        "empty": "contains no images",
        "broken": "none of its 1 images can be read",
        "gone": "does not exist",
    }.items():
        assert cli.run(["evaluate", str(run), "--outliers", str(tmp_path / name)]) == 2
        error = " ".join(capsys.readouterr().err.split())
        assert "--outliers" in error
        assert text in error
    assert (sorted((run / "evaluations").iterdir()) if (run / "evaluations").exists() else []) == before


def test_decision_by_sensitivity(run: Path) -> None:
    scores = evaluate(run, EvaluateOptions(decide="malignant", sensitivity=0.8)).scores
    decision = scores.trust.decision
    assert decision.asked == 0.8
    assert decision.sensitivity.value == pytest.approx(scores.malignancy.scores["sensitivity"].value, abs=0.1)
    with pytest.raises(UsageError, match="`prior` and `decide` cannot be combined"):
        evaluate(run, EvaluateOptions(decide="malignant", prior=True))


@pytest.mark.parametrize("level", ["0", "1", "nan"])
def test_sensitivity_outside_0_to_1_is_refused(run: Path, level: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["evaluate", str(run), "--decide", "malignant", "--sensitivity", level]) == 2
    assert "--sensitivity" in capsys.readouterr().err


def test_eight_views_have_separate_thresholds(run: Path) -> None:
    scores = evaluate(run, EvaluateOptions(tta=True)).scores
    assert scores.trust.limits == load(run).trust.summary.limits


def test_model_without_trust_is_scored(run: Path, outliers: Path, tmp_path: Path) -> None:
    import shutil

    plain = tmp_path / "plain"
    shutil.copytree(run, plain, ignore=shutil.ignore_patterns("evaluations"))
    (plain / "bundle" / "trust.npz").unlink()
    update_json(plain / "bundle" / "model.json", trust=None)
    assert evaluate(plain).scores.trust is None
    with pytest.raises(UsageError, match="has no outlier score"):
        evaluate(plain, EvaluateOptions(outliers=(outliers,)))
    with pytest.raises(UsageError, match="this model does not have"):
        evaluate(plain, EvaluateOptions(decide="malignant"))
