"""`residerm explain`: pictures and numbers of the evidence; unreadable images do not stop the others."""

import json
from pathlib import Path

import archives
import numpy as np
import pytest
from PIL import Image

import residerm
from residerm import cli
from residerm.errors import UsageError
from residerm.explanation.methods import METHODS

SMALL = ("--size", "32", "--batch-size", "16", "--epochs", "1", "--precision", "float32")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.ham10000(tmp_path_factory.mktemp("archive"), lesions=70)


def trained(archive: Path, folder: Path, model: str) -> Path:
    assert cli.run(["train", str(archive), "--model", model, *SMALL, "--runs", str(folder)]) == 0
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def model(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(archive, tmp_path_factory.mktemp("model"), "resnet20")


@pytest.fixture(scope="module")
def flat(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(archive, tmp_path_factory.mktemp("flat"), "logistic")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(archives.make_jpeg(1000 + number, (60, 40)))
    return folder


def numbers(folder: Path) -> list[dict[str, object]]:
    document = json.loads((folder / "explanations.json").read_text())
    assert "Not a medical device" in document["notice"]
    return list(document["images"])


def test_picture_and_numbers_of_each_image(model: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert cli.run(["explain", str(model), str(images), "--class", "mel", "--out", str(out)]) == 0
    found = numbers(out)
    assert [one["picture"] for one in found] == ["0.png", "1.png", "2.png"]
    for one in found:
        assert one["explained"] == "mel"
        assert sum(one["probabilities"].values()) == pytest.approx(1)
        with Image.open(out / str(one["picture"])) as picture:
            assert picture.width > picture.height > 400


def test_every_method_gives_a_map(model: Path, images: Path) -> None:
    for method in METHODS:
        found = list(residerm.explain(model, [images], "nv", method=method))
        assert [one.error for one in found] == [""] * 3
        assert all(one.map.ndim == 2 and np.isfinite(one.map).all() for one in found)
        assert all(one.method == method and one.explained == "nv" for one in found)


def test_default_target_is_the_predicted_class(model: Path, images: Path) -> None:
    for one in residerm.explain(model, [images]):
        assert one.explained == one.predicted
        assert not one.against


def test_difference_of_two_classes(model: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert cli.run(["explain", str(model), str(images), "--compare", "mel", "nv", "--out", str(out)]) == 0
    ours = numbers(out)
    theirs = list(residerm.explain(model, [images], compare=("nv", "mel")))
    for one, other in zip(ours, theirs, strict=True):
        assert (one["explained"], one["against"]) == ("mel", "nv")
        np.testing.assert_allclose(one["map"], -other.map, atol=1e-3)


def test_model_without_maps(flat: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for method in ("cam", "gradcam"):
        assert cli.run(["explain", str(flat), str(images), "--method", method, "--out", str(tmp_path / "out")]) == 2
        assert "logistic" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
    assert cli.run(["explain", str(flat), str(images), "--out", str(tmp_path / "out")]) == 0
    assert {one["method"] for one in numbers(tmp_path / "out")} == {"occlusion"}


def test_unknown_class(model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["--class", "melanom"], ["--compare", "mel", "melanom"]):
        assert cli.run(["explain", str(model), str(images), *wrong, "--out", str(tmp_path / "out")]) == 2
        message = capsys.readouterr().err
        assert "melanom" in message
        assert "akiec, bcc, bkl, df, mel, nv, vasc" in message
        assert not (tmp_path / "out").exists()


def test_contradictory_options_are_refused(model: Path, images: Path) -> None:
    for wrong, message in (
        ({"class_": "mel", "compare": ("mel", "nv")}, "cannot be combined"),
        ({"compare": ("mel", "mel")}, "the same class"),
        ({"method": "gradcram"}, "input should be 'cam', 'gradcam'"),
        ({"method": "cam", "stage": "layer3"}, "has no stage"),
        ({"method": "gradcam", "stage": "layer9"}, "has the stages"),
    ):
        with pytest.raises(UsageError, match=message):
            list(residerm.explain(model, [images], **wrong))


def test_gradient_methods_need_torch(model: Path, images: Path) -> None:
    predictor = residerm.load(model)
    assert len(list(residerm.explain(predictor, [images], method="cam"))) == 3
    with pytest.raises(UsageError, match="gradients require the weights"):
        list(residerm.explain(predictor, [images], method="gradcam"))


def test_unreadable_image_among_valid_ones(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "1.jpg").write_bytes(b"no image")
    out = tmp_path / "out"
    assert cli.run(["explain", str(model), str(images), "--out", str(out)]) == 1
    found = numbers(out)
    assert "not an image" in found[1]["error"]
    assert (out / "0.png").exists()
    assert (out / "2.png").exists()
    assert not (out / "1.png").exists()
    assert "1.jpg" in capsys.readouterr().err


def test_picture_is_larger_than_the_model_input(model: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (one, *_) = residerm.explain(model, [images])
    assert (one.pixels.shape, one.shown.shape) == ((32, 32, 3), (320, 320, 3))
    monkeypatch.setattr("residerm.explanation.explain._MOST_BYTES", 10)
    (one, *_) = residerm.explain(model, [images])
    np.testing.assert_array_equal(one.shown, one.pixels)


def test_uniform_image(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "plain.png"
    Image.new("RGB", (50, 40), (200, 150, 140)).save(path)
    for method in METHODS:
        (one,) = residerm.explain(model, [path], method=method)
        assert np.isfinite(one.map).all()
    assert cli.run(["explain", str(model), str(path), "--out", str(tmp_path / "out")]) == 0


def test_existing_folder_is_not_changed(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    assert cli.run(["explain", str(model), str(images), "--out", str(out)]) == 1
    assert "already exists" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_images_are_required(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["explain", str(model)]) == 2
    assert "IMAGE is missing" in capsys.readouterr().err
