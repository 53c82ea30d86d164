"""`residerm predict`: files, folders, zips and patterns; unreadable files do not stop the others."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import archives
import numpy as np
import pytest
from sample_runs import update_json

from residerm import cli
from residerm.errors import UsageError
from residerm.inference import load
from residerm.inference.prediction import predict

SMALL = ("--model", "resnet20", "--size", "32", "--batch-size", "16", "--epochs", "1", "--precision", "float32")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    archive = archives.ham10000(folder / "archive", lesions=70)
    assert cli.run(["train", str(archive), *SMALL, "--runs", str(folder / "runs")]) == 0
    return next((folder / "runs").iterdir())


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(11):
        (folder / f"{number:02d}.jpg").write_bytes(archives.make_jpeg(1000 + number, (60, 40)))
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


def test_files_folders_zips_and_patterns_give_the_same_predictions(model: Path, images: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "packed"), "zip", images)
    found = {}
    for name, given in {
        "files": sorted(map(str, images.iterdir())),
        "folder": [str(images)],
        "zip": [str(tmp_path / "packed.zip")],
        "pattern": [str(images / "*.jpg")],
    }.items():
        target = tmp_path / f"{name}.csv"
        assert cli.run(["predict", str(model), *given, "--out", str(target)]) == 0
        found[name] = [{key: value for key, value in row.items() if key != "image"} for row in rows(target)]
    assert len(found["files"]) == 11
    assert found["files"] == found["folder"] == found["zip"] == found["pattern"]
    assert "Not a medical device" in found["files"][0]["notice"]


def test_predictions_are_independent_of_batch_size_and_order(model: Path, images: Path) -> None:
    predictor, files = load(model), sorted(images.iterdir())
    expected = {line.name: line.probabilities for line in predict(predictor, files)}
    for size, order in ((1, files), (3, files[::-1]), (64, files[5:] + files[:5])):
        for line in predict(predictor, order, batch_size=size):
            np.testing.assert_allclose(line.probabilities, expected[line.name], atol=1e-5)


def test_predictions_equal_those_of_the_predictor(model: Path, images: Path) -> None:
    predictor, files = load(model), sorted(images.iterdir())
    together = predictor.predict([path.read_bytes() for path in files])
    found = [line.probabilities for line in predict(model, files)]
    np.testing.assert_allclose(found, together, atol=1e-5)


def test_unreadable_files_are_listed_with_the_others(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "03.jpg").write_bytes(archives.make_jpeg(3, (60, 40))[:200])
    (images / "04.jpg").write_text("no picture")
    (images / "05.jpg").write_bytes(b"")
    target = tmp_path / "found.json"
    arguments = ["predict", str(model), str(images), str(tmp_path / "none.jpg"), "--out", str(target)]
    assert cli.run(arguments) == 1
    document = json.loads(target.read_text())
    assert "Not a medical device" in document["notice"]
    errors = {Path(line["image"]).name: line["error"] for line in document["predictions"] if "error" in line}
    assert set(errors) == {"03.jpg", "04.jpg", "05.jpg", "none.jpg"}
    assert "there is no such file" in errors["none.jpg"]
    assert "empty" in errors["05.jpg"]
    assert len(document["predictions"]) == 12
    printed = capsys.readouterr()
    assert "8 images, 4 unreadable" in printed.out
    assert "Traceback" not in printed.err


def test_damaged_zip_is_listed(model: Path, images: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04 and no more")
    lines = list(predict(model, [broken, images]))
    assert [bool(line.error) for line in lines] == [True] + [False] * 11


def test_damaged_zip_in_a_folder_does_not_stop_the_images_next_to_it(model: Path, images: Path) -> None:
    (images / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    with zipfile.ZipFile(images / "outside.zip", "w") as packed:
        packed.write(images / "00.jpg", "inside.jpg")
        packed.write(images / "00.jpg", "../outside.jpg")
    lines = list(predict(model, [images]))
    assert [line.name for line in lines if line.error] == [str(images / "broken.zip"), str(images / "outside.zip")]
    assert [line.name for line in lines if not line.error] == [str(images / f"{one:02d}.jpg") for one in range(11)]


def test_balanced_decision(model: Path, images: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(model / "bundle", tmp_path / "bundle"))
    description = json.loads((bundle / "model.json").read_text())
    prior, classes = [0.4, *[0.1] * 6], description["classes"]
    (bundle / "model.json").write_text(json.dumps(description | {"prior": prior}))
    answers = tmp_path / "answers.json"
    assert cli.run(["predict", str(bundle), str(images), "--decide", "balanced", "--out", str(answers)]) == 0
    document = json.loads(answers.read_text())
    assert document["decide"] == "balanced"
    plain = list(predict(bundle, [images]))
    for line, before in zip(document["predictions"], plain, strict=True):
        shares = np.array(list(line["probabilities"].values()))
        np.testing.assert_allclose(shares, before.probabilities, atol=1e-5)
        assert line["predicted"] == classes[int((shares / prior).argmax())]


def test_table_and_json_output(model: Path, images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["predict", str(model), str(images)]) == 0
    printed = capsys.readouterr().out
    assert str(images / "10.jpg") in printed
    assert "Not a medical device and not a diagnosis" in printed
    assert cli.run(["predict", str(model), str(images), "--json", "--tta"]) == 0
    document = json.loads(capsys.readouterr().out)
    for line in document["predictions"]:
        assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_model_without_trust_says_so(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(model / "bundle", plain)
    (plain / "trust.npz").unlink()
    update_json(plain / "model.json", trust=None)
    assert cli.run(["predict", str(plain), str(images)]) == 0
    printed = capsys.readouterr().out
    assert "The probabilities are not calibrated, and there are no prediction sets" in printed
    assert "cannot be ruled out" not in printed


def test_nothing_is_overwritten(model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "mine.csv"
    target.write_text("mine")
    assert cli.run(["predict", str(model), str(images), "--out", str(target)]) == 2
    assert "is not overwritten" in capsys.readouterr().err
    assert target.read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{model}"], "IMAGE is missing"),
        (["{model}", "{empty}"], "no images: give image files"),
        (["{model}", "{empty}", "--out", "answers.txt"], "written as .csv or .json"),
        (["{empty}", "{empty}"], "contains no model"),
        (["{model}", "{empty}", "--batch-size", "0"], "--batch-size"),
    ],
)
def test_invalid_usage_is_refused(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    given = [argument.format(model=model, empty=tmp_path / "empty") for argument in arguments]
    assert cli.run(["predict", *given]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_folder_without_images(model: Path) -> None:
    with pytest.raises(UsageError, match="no images"):
        list(predict(model, []))


def test_other_files_are_counted_and_named(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.heic", "b.doc", "noname", ".hidden"):
        (images / name).write_bytes(b"x")
    assert cli.run(["predict", str(model), str(images)]) == 0
    printed = capsys.readouterr()
    assert "11 images, 0 unreadable" in printed.out
    assert "note: 3 files were not read, without one of the suffixes .bmp, " in printed.err
    assert all(f"/{name}" in printed.err for name in ("a.heic", "b.doc", "noname"))
    only = tmp_path / "only"
    only.mkdir()
    (only / "b.doc").write_bytes(b"x")
    assert cli.run(["predict", str(model), str(only)]) == 2
    assert "1 file was not read" in capsys.readouterr().err


def test_pipes_devices_and_huge_files_are_not_read(model: Path, images: Path, tmp_path: Path) -> None:
    pipe, link, giant = tmp_path / "pipe.jpg", tmp_path / "zero.jpg", tmp_path / "giant.jpg"
    os.mkfifo(pipe)
    link.symlink_to("/dev/zero")
    with giant.open("wb") as stream:
        stream.truncate(2**28 + 1)
    lines = list(predict(model, [pipe, link, "/dev/zero", giant, images]))
    reasons = [line.error for line in lines[:4]]
    assert all("it is a pipe or a device, not a file" in reason for reason in reasons[:3])
    assert "it has more than 268,435,456 bytes" in reasons[3]
    assert not any(line.error for line in lines[4:])


def test_file_names_that_look_like_formulas(model: Path, images: Path, tmp_path: Path) -> None:
    formula = images / "=1+1.jpg"
    (images / "00.jpg").rename(formula)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(images)
        assert cli.run(["predict", str(model), "=1+1.jpg", "@none.jpg", "--out", str(tmp_path / "a.csv")]) == 1
    assert [row["image"] for row in rows(tmp_path / "a.csv")] == ["'=1+1.jpg", "'@none.jpg"]


def test_sigterm_stops_a_prediction(model: Path, images: Path) -> None:
    command = [sys.executable, "-m", "residerm", "predict", str(model), *[str(images)] * 2000, "--batch-size", "8"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(6)  # so that it is in the midst of its work
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=30)
    assert process.returncode in (143, -signal.SIGTERM)
    assert "Traceback" not in error
