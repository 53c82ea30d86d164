"""`residerm data synth`."""

import shlex
from pathlib import Path

import pytest

from residerm.cli import run
from residerm.data.archives import open_archive

SMALL = ["--images", "70", "--width", "64", "--height", "48"]


def test_synth_writes_an_archive_and_names_the_next_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "synth", str(tmp_path / "archive"), *SMALL]) == 0
    drawn, following = capsys.readouterr().out.splitlines()
    counts = "70 synthetic images of 53 lesions (akiec 3, bcc 3, bkl 6, df 3, mel 6, nv 29, vasc 3), with masks"
    assert drawn == f"Drawn in {tmp_path / 'archive'}: {counts}"
    assert following == f"Next: residerm data stats {tmp_path / 'archive'}"
    assert len(open_archive(tmp_path / "archive")) == 70


def test_next_command_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["data", "synth", str(tmp_path / "an [archive]"), *SMALL])
    following = capsys.readouterr().out.splitlines()[-1]
    assert run(following_arguments(following)) == 0
    assert "70 images" in capsys.readouterr().out


def following_arguments(line: str) -> list[str]:
    return shlex.split(line.removeprefix("Next: residerm "))


def test_images_depend_on_the_seed(tmp_path: Path) -> None:
    for seed in ("0", "1"):
        assert run(["data", "synth", str(tmp_path / seed), *SMALL, "--seed", seed]) == 0
    zips = [(tmp_path / seed / "HAM10000_images_part_1.zip").read_bytes() for seed in ("0", "1")]
    assert zips[0] != zips[1]


def test_folder_with_files_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "diary.txt").write_text("dear")
    assert run(["data", "synth", str(tmp_path), *SMALL]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"residerm: {tmp_path} already exists and is not overwritten: choose another name, or remove it first"
    ]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (["--images", "10"], "--images"),
        (["--images", "many"], "--images"),
        (["--width", "5000"], "--width"),
        (["--seed", "-1"], "--seed"),
        (["--size", "64"], "--size"),
    ],
)
def test_invalid_options_are_named(
    wrong: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["data", "synth", str(tmp_path / "archive"), *wrong]) == 2
    assert named in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "synth", "--help"]) == 0
    assert "residerm data synth" in capsys.readouterr().out
