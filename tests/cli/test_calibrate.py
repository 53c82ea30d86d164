"""`residerm calibrate`: a new bundle with the same weights, and refusals."""

import json
import shutil
from pathlib import Path

import archives
import pytest
from sample_runs import update_json

import residerm
from residerm import cli
from residerm.inference import load
from residerm.inference.bundle import STARTER

SMALL = ("--model", "cnn", "--size", "32", "--batch-size", "16", "--epochs", "1", "--precision", "float32")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=70)


@pytest.fixture(scope="module")
def run(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("model") / "runs"
    assert cli.run(["train", str(archive), *SMALL, "--runs", str(runs)]) == 0
    return next(runs.iterdir())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of which at most the first half was used by the run."""
    return archives.ham10000(tmp_path_factory.mktemp("site") / "archive", lesions=140)


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_new_bundle_has_the_same_weights(
    run: Path, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, target = _content(run / "bundle"), tmp_path / "calibrated"
    given = ["calibrate", str(run / "bundle"), "--data", str(site), "--out", str(target), "--coverage", "0.8"]
    assert cli.run(given) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "Prediction sets with a coverage of 80%" in printed
    assert "Not a medical device" in printed
    after = _content(target)
    assert after["model.safetensors"] == before["model.safetensors"]
    assert _content(run / "bundle") == before
    trust, old = load(target).trust, load(run).trust
    assert trust.summary.fitted_on == "HAM10000"
    assert 70 <= trust.summary.lesions < 140
    assert f"of {trust.summary.lesions} lesions" in printed
    assert trust.summary.sets.coverage == 0.8
    assert trust.eight is not None
    assert trust.summary.abstention.error_rate == old.summary.abstention.error_rate
    assert trust.summary.outliers.training_images == old.summary.outliers.training_images


def test_evaluations_of_the_old_calibration_are_not_copied(run: Path, site: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(run / "bundle", bundle)
    assert cli.run(["evaluate", str(bundle), "--data", str(site)]) == 0
    assert (bundle / "evaluations").is_dir()
    assert cli.run(["calibrate", str(bundle), "--data", str(site), "--out", str(tmp_path / "calibrated")]) == 0
    assert cli.run(["export", str(bundle), "--out", str(tmp_path / "copied")]) == 0
    for copy in ("calibrated", "copied"):
        assert (tmp_path / copy / "model.safetensors").is_file()
        assert not (tmp_path / copy / "evaluations").exists()


def test_images_seen_in_training_are_excluded(run: Path, archive: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.symlink_to(archive, target_is_directory=True)
    with pytest.raises(residerm.errors.UsageError, match="is the archive that"):
        residerm.calibrate(run, moved)
    other = archives.ham10000(tmp_path / "other", lesions=70)
    calibrated = residerm.calibrate(run, other)
    assert calibrated.bundle == run / "bundle-ham10000"
    assert calibrated.summary.lesions < 70


def test_starter_model_is_calibrated_outside_the_package(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    calibrated = residerm.calibrate("starter", site)
    assert calibrated.bundle == Path("starter-ham10000")
    assert load(tmp_path / "starter-ham10000").trust is not None
    assert not STARTER.with_name("starter-ham10000").exists()


def test_json_output(run: Path, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["calibrate", str(run / "bundle"), "--data", str(site), "--out", str(tmp_path / "new"), "--json"]
    assert cli.run(given) == 0
    assert json.loads(capsys.readouterr().out)["lesions"] >= 70


@pytest.mark.parametrize("kind", ["isic2016", "isic2020"])
def test_archive_of_another_task_is_refused(
    run: Path, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = archives.ARCHIVES[kind](tmp_path / "other")
    assert cli.run(["calibrate", str(run), "--data", str(other), "--out", str(tmp_path / "new")]) == 2
    assert "labelled with the classes of the model" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "new").exists()


def test_existing_bundle_is_not_overwritten(
    run: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine").write_text("mine")
    assert cli.run(["calibrate", str(run / "bundle"), "--data", str(archive), "--out", str(tmp_path / "new")]) == 2
    assert "is not overwritten" in capsys.readouterr().err
    assert _content(tmp_path / "new") == {"mine": b"mine"}


@pytest.mark.parametrize("level", ["0", "1", "-1", "nan", "much"])
@pytest.mark.parametrize("option", ["--coverage", "--error-rate", "--accepted"])
def test_levels_outside_0_to_1_are_refused(
    run: Path, archive: Path, option: str, level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["calibrate", str(run / "bundle"), "--data", str(archive), option, level]) == 2
    assert option in capsys.readouterr().err
    assert cli.run(["train", str(archive), *SMALL, option, level]) == 2


def test_data_is_required(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["calibrate", str(run)]) == 2
    assert "--data" in capsys.readouterr().err


def test_model_without_trust_is_calibrated(run: Path, site: Path, tmp_path: Path) -> None:
    import shutil

    plain = tmp_path / "plain"
    shutil.copytree(run / "bundle", plain)
    (plain / "trust.npz").unlink()
    update_json(plain / "model.json", trust=None)
    bundle = residerm.calibrate(plain, site, out=tmp_path / "new").bundle
    assert load(bundle).trust.summary.outliers.score == "energy"
