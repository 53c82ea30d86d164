"""`data stats`, `data split` and `data preview`: output and refusals."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import archives
import numpy as np
import pytest
from PIL import Image

from residerm import cli

LESIONS = 42  # six of each class, half of them photographed twice


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return archives.ham10000(tmp_path / "archive", lesions=LESIONS)


def outcome(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.run(["data", *map(str, arguments)])
    return (code, *capsys.readouterr())


def test_stats_counts_images_and_lesions(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = outcome(capsys, "stats", archive, "--json")
    statistics = json.loads(printed)
    assert code == 0
    assert (statistics["images"], statistics["groups"], statistics["masks"]) == (63, 42, 63)
    assert statistics["images_in_groups_of_several"] == 42
    assert {name: (images, lesions) for name, images, lesions, *_ in statistics["by_class"]["rows"]} == dict.fromkeys(
        archives.SEVEN, (9, 6)
    )
    for breakdown in statistics["by_person"]:
        assert sum(row[1] for row in breakdown["rows"]) == 63
        assert all(row[1] == sum(row[2:]) for row in breakdown["rows"])


def test_stats_groups_ages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ages = iter(["0.0", "29.0", "30.0", "49.0", "50.0", "69.0", "70.0", "85.0", "", "unknown"] * 2)
    path = archives.ham10000(tmp_path, change=lambda line: line | {"age": next(ages, "")})
    _, printed, _ = outcome(capsys, "stats", path, "--json")
    by_age = next(part for part in json.loads(printed)["by_person"] if part["title"] == "by age")
    assert [row[0] for row in by_age["rows"]] == [
        "under 30", "30 to 49", "50 to 69", "70 and over", "unknown"
    ]  # fmt: skip
    assert [row[1] for row in by_age["rows"]][:4] == [4, 4, 4, 4]


def test_stats_prints_tables_licence_and_citation(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = outcome(capsys, "stats", archive)
    assert code == 0
    for words in (
        "63 images of 42 lesions, 63 masks",
        "melanocytic nevus",
        "by sex",
        "by site",
        "CC BY-NC 4.0",
        "Tschandl",
    ):
        assert words in printed


def test_stats_of_a_synthetic_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, printed, _ = outcome(capsys, "stats", archives.synthetic(tmp_path))
    assert "synthetic" in printed.splitlines()[0]


def test_stats_writes_figure_and_tables_without_overwriting(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "statistics"
    code, _, remark = outcome(capsys, "stats", archive, "--out", folder)
    assert code == 0
    assert str(folder) in remark
    assert {path.name for path in folder.iterdir()} == {
        "classes.png", "by_class.csv", "by_sex.csv", "by_age.csv", "by_site.csv"
    }  # fmt: skip
    figure = np.asarray(Image.open(folder / "classes.png").convert("RGB"))
    assert figure.shape[1] > 800
    assert (figure == (0x3B, 0x6E, 0xA5)).all(axis=2).mean() > 0.05  # the bars
    before = (folder / "by_class.csv").read_bytes()
    code, _, error = outcome(capsys, "stats", archive, "--out", folder)
    assert code == 1
    assert "already exists" in error
    assert (folder / "by_class.csv").read_bytes() == before


def test_stats_with_a_task(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, printed, _ = outcome(capsys, "stats", archive, "--task", "malignancy", "--json")
    statistics = json.loads(printed)
    assert {row[0]: row[1] for row in statistics["by_class"]["rows"]} == {"benign": 36, "malignant": 27}


def test_split_prints_and_writes_its_proof(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "split"
    code, printed, _ = outcome(capsys, "split", archive, "--out", folder)
    assert code == 0
    assert "No lesion is in two parts" in printed
    written = (folder / "splits.csv").read_bytes()
    assert hashlib.sha256(written).hexdigest() in printed
    parts: dict[str, set[str]] = {}
    for row in csv.DictReader(written.decode().splitlines()):
        parts.setdefault(row["group"], set()).add(row["part"])
    assert len(parts) == LESIONS
    assert all(len(on) == 1 for on in parts.values())
    code, again, _ = outcome(capsys, "split", archive, "--split", folder / "splits.csv", "--json")
    assert code == 0
    assert json.loads(again)["sha256"] == hashlib.sha256(written).hexdigest()


def test_random_split_reports_leaking_lesions(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, printed, _ = outcome(capsys, "split", archive, "--split", "random")
    assert "show a lesion that is also in the training part" in printed


def test_split_without_groups_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, printed, _ = outcome(capsys, "split", archives.isic2016(tmp_path, images=30), "--test", "0.3")
    assert "does not name lesions, so the split is by image" in printed


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["stats", "nowhere"], 1, "cannot read nowhere: there is no such file or folder"),
        (["stats", "{archive}", "--task", "malignanzy"], 2, "--task"),
        (["stats", "{archive}", "--layout", "ham1000"], 2, "Did you mean ham10000"),
        (["split", "{archive}", "--without", "nevus"], 2, "--without nevus"),
        (["split", "{archive}", "--test", "1.5"], 2, "--test"),
        (["split", "{archive}", "--folds", "7"], 1, "too few"),
        (["preview", "{archive}", "--size", "4"], 2, "--size"),
        (["preview", "{archive}", "--filter", "nearest"], 2, "--filter"),
        (["preview", "{archive}", "--images", "0"], 2, "--images"),
        (["preview", "{archive}", "--size", "16", "--out", "preview.doc"], 2, "figures are saved as .png"),
    ],
)
def test_invalid_usage_is_one_line_and_writes_nothing(
    archive: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    given, printed, error = outcome(capsys, *(text.format(archive=archive) for text in arguments))
    assert given == code
    assert message in error
    assert error.count("\n") == 1
    assert printed == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_preview_shows_originals_and_augmented_images(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, remark = outcome(capsys, "preview", archive, "--size", "32", "--out", tmp_path / "preview.png")
    assert code == 0
    assert "preview.png" in remark
    assert np.asarray(Image.open(tmp_path / "preview.png")).shape[1] > 1000


def test_preview_without_augmentation(archive: Path) -> None:
    from residerm.config import AugmentOptions, PixelSpec
    from residerm.data.archives import open_archive
    from residerm.data.loading.preview import draw_preview

    def rows(options: AugmentOptions) -> list[np.ndarray]:
        figure = draw_preview(open_archive(archive), PixelSpec(size=16), options, images=7)
        shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
        return [np.stack(shown[row * 7 : row * 7 + 7]) for row in range(5)]

    same = rows(AugmentOptions(augment=False))
    assert all((row == same[0]).all() for row in same)
    different = rows(AugmentOptions())
    assert (different[0] == same[0]).all()
    assert all((row != same[0]).any() for row in different[1:])


def test_preview_skips_unreadable_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = archives.class_folders(tmp_path / "folders")
    victims = sorted(path.rglob("*.jpg"))
    for victim in victims[1:]:
        victim.write_bytes(b"no image")
    assert outcome(capsys, "preview", path, "--out", tmp_path / "one.png")[0] == 0
    victims[0].write_bytes(b"no image")
    code, _, error = outcome(capsys, "preview", path, "--out", tmp_path / "none.png")
    assert code == 1
    assert "see `residerm data check`" in error
    assert not (tmp_path / "none.png").exists()


@pytest.mark.parametrize("verb", ["list", "check", "stats", "split", "synth", "fetch"])
def test_only_preview_imports_torch(verb: str, archive: Path, tmp_path: Path) -> None:
    arguments = {
        "list": [],
        "fetch": ["isic2016", "--out", "/dev/null/nowhere"],
        "synth": [str(tmp_path / "synthetic"), "--images", "80", "--width", "48", "--height", "48"],
    }.get(verb, [str(archive)])
    run = f"code = cli.run({['data', verb, *arguments]!r})"
    script = f"import sys; from residerm import cli; {run}; sys.exit('torch' in sys.modules or code == 2)"
    environment = {**os.environ, "RESIDERM_CACHE": str(tmp_path / "cache")}
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 0, ran.stderr


def test_brackets_in_names_are_not_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, name in enumerate(["[bold]a", "b[red]"]):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(archives.make_jpeg(number))
    code, printed, _ = outcome(capsys, "stats", tmp_path)
    assert code == 0
    assert "[bold]a" in printed
    assert "b[red]" in printed
