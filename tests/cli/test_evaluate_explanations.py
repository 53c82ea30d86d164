"""`residerm evaluate --explain` and `--without`: scores of explanations, and of images without lesion or background."""

from pathlib import Path

import archives
import pytest

from residerm import cli
from residerm.evaluation import explaining
from residerm.runs import Evaluation

SMALL = ("--model", "resnet20", "--size", "32", "--batch-size", "16", "--epochs", "1", "--precision", "float32")


def trained(folder: Path, **options: object) -> Path:
    archive = archives.ham10000(folder / "archive", lesions=70, **options)
    assert cli.run(["train", str(archive), *SMALL, "--runs", str(folder / "runs")]) == 0
    return next((folder / "runs").iterdir())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("masks"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("bare"), masks=False)


@pytest.fixture(autouse=True)
def _few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "MOST_FOR_SANITY", 4)


def evaluation(run: Path, without: str | None = None) -> Evaluation:
    every = [Evaluation.read(path) for path in (run / "evaluations").iterdir()]
    return next(one for one in every if one.scores.without == without)


def test_scores_of_the_default_and_of_another_method(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["evaluate", str(run), "--explain"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "explanations, compared with a Gaussian in the centre" in printed
    assert "class activation map" in printed
    assert "than a guess that lesions are in the centre" in printed
    assert cli.run(["evaluate", str(run), "--explain", "--explain-method", "gradcam"]) == 0
    own, other = evaluation(run).explanations
    assert (own.method, other.method) == ("cam", "gradcam")
    assert own.images == own.groups
    assert own.centred.deletion_gain is not None
    assert own.centred.deletion_gain.value == pytest.approx(own.centred.deletion.value - own.own.deletion.value)
    assert own.sanity[0].module == "fc"
    assert own.lesion is not None
    assert own.lesion.images == own.images
    assert 0 < own.lesion.share.value < 1
    for one, same in zip(own.own, other.own, strict=True):  # on the last maps both methods are one
        assert one[1] is None or one[1].value == pytest.approx(same[1].value, abs=1e-4)


def test_archive_without_masks_is_reported(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["evaluate", str(bare), "--explain"]) == 0
    (scores,) = evaluation(bare).explanations
    assert scores.lesion is None
    assert "no mask" in scores.no_lesion
    before = sorted(path.name for path in (bare / "evaluations").iterdir())
    capsys.readouterr()
    assert cli.run(["evaluate", str(bare), "--without", "lesion"]) == 2
    assert "no usable lesion mask" in capsys.readouterr().err
    assert sorted(path.name for path in (bare / "evaluations").iterdir()) == before


def test_masks_of_another_size_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = archives.make_mask
    monkeypatch.setattr(archives, "make_mask", lambda seed: shape(seed, (24, 24) if seed % 2 else (48, 36)))
    run = trained(tmp_path)
    assert cli.run(["evaluate", str(run), "--explain"]) == 0
    (scores,) = evaluation(run).explanations
    assert 0 < scores.masks_left_out < scores.images
    assert scores.lesion.images == scores.images - scores.masks_left_out
    left_out = f"Left out of this: {scores.masks_left_out} with a mask that is unreadable or of another shape."
    assert left_out in capsys.readouterr().out
    assert left_out in (run / "report.html").read_text()


def test_scores_without_lesion_and_without_background(run: Path) -> None:
    assert cli.run(["evaluate", str(run)]) == 0
    for hidden in ("lesion", "background"):
        assert cli.run(["evaluate", str(run), "--without", hidden]) == 0
        found = evaluation(run, hidden)
        assert found.scores.without == hidden
        assert not found.plain
    assert "chance level is" in (run / "report.html").read_text()


def test_contradictory_options_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong, message in (
        (["--explain", "--without", "lesion"], "--explain and --without cannot be combined"),
        (["--explain-method", "cam"], "have no effect without --explain"),
        (["--without", "skin"], "--without must be"),
    ):
        assert cli.run(["evaluate", str(run), *wrong]) == 2
        assert message in capsys.readouterr().err
