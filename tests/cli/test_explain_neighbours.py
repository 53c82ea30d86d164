"""`residerm explain --neighbours`: similar training images, stored by `train` and copied by `export`."""

import json
import shutil
from pathlib import Path

import archives
import pytest

import residerm
from residerm import cli
from residerm.errors import UsageError
from residerm.inference.bundle import read_neighbours
from residerm.inference.neighbours import TrainingImages

SMALL = ("--model", "resnet20", "--size", "32", "--batch-size", "16", "--epochs", "1", "--precision", "float32")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=70)


@pytest.fixture(scope="module")
def run(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("model") / "runs"
    assert cli.run(["train", str(archive), *SMALL, "--runs", str(runs)]) == 0
    return next(runs.iterdir())


@pytest.fixture(scope="module")
def calibrated(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model calibrated for another site, with thumbnails of its training images."""
    site = archives.ham10000(tmp_path_factory.mktemp("site") / "archive", lesions=140)
    out = tmp_path_factory.mktemp("calibrated") / "bundle"
    given = ["calibrate", str(run), "--data", str(site), "--out", str(out), "--keep-thumbnails"]
    assert cli.run(given) == 0
    return out


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.jpg"
    path.write_bytes(archives.make_jpeg(1000, (60, 40)))
    return path


def training_part(run: Path) -> dict[str, str]:
    """The ids of the training images with their classes."""
    lines = [line.split(",") for line in (run / "splits.csv").read_text().splitlines()]
    names = {name: place for place, name in enumerate(lines[0])}
    return {line[names["image_id"]]: line[names["label"]] for line in lines[1:] if line[names["part"]] == "train"}


def kept(model: Path) -> TrainingImages:
    return read_neighbours(model, residerm.load(model).description)


def test_ids_classes_and_similarity_of_training_images(run: Path, image: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert cli.run(["explain", str(run), str(image), "--neighbours", "5", "--out", str(out)]) == 0
    (found,) = json.loads((out / "explanations.json").read_text())["images"]
    near, training = found["neighbours"], training_part(run)
    assert len(near) == 5
    assert all(training[one["image"]] == one["label"] for one in near)
    assert [one["similarity"] for one in near] == sorted((one["similarity"] for one in near), reverse=True)
    assert (out / "image.png").exists()


def test_training_image_is_its_own_nearest_neighbour(run: Path, archive: Path, tmp_path: Path) -> None:
    name, records = next(iter(training_part(run))), residerm.open_archive(archive)
    row = next(row for row in range(len(records)) if records.image_id(row) == name)
    (tmp_path / "same.jpg").write_bytes(records.read(row))
    (one,) = residerm.explain(run, [tmp_path / "same.jpg"], neighbours=1)
    assert (one.neighbours[0].image_id, round(one.neighbours[0].similarity, 3)) == (name, 1)
    assert one.neighbours[0].picture is None


def test_neighbours_are_optional(run: Path, image: Path) -> None:
    (one,) = residerm.explain(run, [image])
    assert not one.neighbours


def test_exported_model_has_the_same_neighbours(run: Path, image: Path, tmp_path: Path) -> None:
    exported = residerm.export(run, out=tmp_path / "exported", to="onnx").folder
    assert (exported / "neighbours.npz").read_bytes() == (run / "bundle" / "neighbours.npz").read_bytes()
    ours, theirs = (next(residerm.explain(model, [image], neighbours=3)).neighbours for model in (run, exported))
    assert [one.image_id for one in ours] == [one.image_id for one in theirs]


def test_calibrate_keeps_thumbnails(calibrated: Path, run: Path, image: Path, tmp_path: Path) -> None:
    before, after = kept(run), kept(calibrated)
    assert before.thumbnails is None
    assert after.image_ids.tolist() == before.image_ids.tolist()
    assert {one.label for one in before.nearest(before.directions[:3], 1)[0]} <= set(range(7))
    (one,) = residerm.explain(calibrated, [image], neighbours=9)
    assert all(near.picture is not None and near.picture.shape == (32, 32, 3) for near in one.neighbours)
    assert cli.run(["explain", str(calibrated), str(image), "--neighbours", "9", "--out", str(tmp_path / "out")]) == 0


def test_train_keeps_thumbnails(archive: Path, tmp_path: Path) -> None:
    given = ["train", str(archive), *SMALL, "--keep-thumbnails", "--runs", str(tmp_path / "runs")]
    assert cli.run(given) == 0
    (run,) = (tmp_path / "runs").iterdir()
    found = kept(run)
    assert found.thumbnails is not None
    assert len(found.thumbnails) == len(found)
    assert "keep_thumbnails: true" in (run / "config.yaml").read_text()


def test_unknown_licence_keeps_no_thumbnails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = archives.class_folders(tmp_path / "classes", images=40)
    given = ["train", str(folders), *SMALL, "--keep-thumbnails", "--runs", str(tmp_path / "runs")]
    assert cli.run(given) == 2
    message = capsys.readouterr().err
    assert "--keep-thumbnails: the licence of the images (not stated" in message
    assert not (tmp_path / "runs").exists()


def test_thumbnails_are_those_of_training_images(run: Path, archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a run, so its training images are not available"):
        residerm.calibrate(run / "bundle", archive, out=tmp_path / "out", keep_thumbnails=True)
    moved = Path(shutil.copytree(run, tmp_path / "moved"))
    config = (moved / "config.yaml").read_text().replace(str(archive), str(tmp_path / "gone"))
    (moved / "config.yaml").write_text(config)
    with pytest.raises(UsageError, match="which no longer exists"):
        residerm.calibrate(moved, archive, out=tmp_path / "out", keep_thumbnails=True)
    assert not (tmp_path / "out").exists()


def test_model_without_neighbours_is_refused(
    run: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert cli.run(["explain", "starter", str(image), "--neighbours", "3", "--out", str(out)]) == 2
    assert "starter has no training images" in capsys.readouterr().err
    assert not out.exists()
    with pytest.raises(UsageError, match="a predictor has no training images"):
        residerm.explain(residerm.load(run), [image], neighbours=3)
    assert cli.run(["explain", "starter", str(image), "--out", str(out)]) == 0


def test_invalid_number_of_neighbours(run: Path, image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ("-1", "25", "many"):
        assert cli.run(["explain", str(run), str(image), "--neighbours", wrong]) == 2
        assert "--neighbours" in capsys.readouterr().err
