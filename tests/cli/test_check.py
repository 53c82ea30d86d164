"""`residerm data check`: output, exit codes and refusals."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import archives
import pytest
from sample_lesions import Line, encode, make_clean_images, make_image, write_archive

from residerm import cli
from residerm.data.inspect.check import Finding

JPEG = encode(make_image(99))


def outcome(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.run(["data", "check", *map(str, arguments)])
    return (code, *capsys.readouterr())


def archive(folder: Path, *lines: Line) -> Path:
    return write_archive(folder / "archive", [*make_clean_images(30), *lines])


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    return archive(tmp_path)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    return archive(tmp_path, Line("gone", None), Line("cut", JPEG[:900]), Line("a", JPEG), Line("b", JPEG, "mel"))


@pytest.fixture
def suspect(tmp_path: Path) -> Path:
    return archive(tmp_path, Line("a", JPEG), Line("b", encode(make_image(99), quality=60)))


def test_valid_archive_exits_with_0(clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = outcome(capsys, clean)
    assert code == 0
    assert printed.splitlines()[0] == "HAM10000: 30 images, 30 masks"
    assert printed.splitlines()[-1] == "0 errors, 0 warnings, 0 notes"
    assert "No lesion is in two parts (asserted)." in printed


def test_errors_exit_with_1_and_are_listed(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = outcome(capsys, broken)
    assert code == 1
    for words in (
        r"row without image +error +1 +gone \(no file of that name\)",
        r"truncated image +error +1 +cut \(the image is cut short\)",
        r"exact copy, different lesions +1 +1 ",
        r"a +b +0.000 +nv / mel ",
        "3 errors, 0 warnings, 0 notes",
    ):
        assert re.search(words, printed), words


def test_warnings_exit_with_0(suspect: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = outcome(capsys, suspect)
    assert code == 0
    assert re.search(r"near copy, different lesions +1 +0 ", printed)
    assert "0 errors, 1 warning, 0 notes" in printed


def test_output_without_a_terminal_is_plain_text_of_80_columns(
    broken: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, printed, remarks = outcome(capsys, broken)
    assert "\x1b" not in printed + remarks
    tables = [line for line in printed.splitlines() if "   " in line]
    assert max(len(line.rstrip()) for line in tables) <= 80


def test_only_the_first_pairs_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copies = [Line(f"copy_{seed:02d}", encode(make_image(seed), quality=70)) for seed in range(12)]
    _, printed, _ = outcome(capsys, archive(tmp_path, *copies))
    assert "Pairs to inspect (the first 10 of 12)" in printed
    assert len(re.findall(r"^ *clean_\d+ +copy_\d+", printed, re.MULTILINE)) == 10


def test_json_is_complete(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = outcome(capsys, broken, "--json")
    report = json.loads(printed)
    assert code == 1
    assert (report["archive"], report["images"], report["masks"]) == ("HAM10000", 33, 30)
    assert (report["errors"], report["warnings"], report["notes"]) == (3, 0, 0)
    assert report["kinds"] == {"row without image": 1, "truncated image": 1, "exact copy": 1}
    assert [set(finding) for finding in report["findings"]] == [set(Finding._fields)] * 3
    (copy,) = (finding for finding in report["findings"] if finding["other_id"])
    assert copy["distance"] == 0
    assert copy["other_file"].endswith("images/b.jpg")


def test_csv_has_a_row_per_finding(broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "findings.csv"
    code, _, remarks = outcome(capsys, broken, "--out", path)
    assert code == 1
    assert f"written: {path}" in remarks
    with path.open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert list(lines[0]) == [
        "kind", "severity", "image_id", "other_id", "distance", "same_group", "label", "other_label", "part",
        "other_part", "file", "other_file", "detail",
    ]  # fmt: skip
    assert {(line["kind"], line["severity"], line["image_id"], line["other_id"]) for line in lines} == {
        ("row without image", "error", "gone", ""),
        ("truncated image", "error", "cut", ""),
        ("exact copy", "error", "a", "b"),
    }


def test_existing_csv_is_refused_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "findings.csv"
    path.write_text("mine")
    code, printed, remarks = outcome(capsys, tmp_path / "no archive at all", "--out", path)
    assert (code, printed, path.read_text()) == (1, "", "mine")
    assert f"{path} already exists" in remarks
    assert [entry.name for entry in tmp_path.iterdir()] == ["findings.csv"]


def test_failed_check_writes_no_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, remarks = outcome(capsys, tmp_path / "nowhere", "--out", tmp_path / "new" / "findings.csv")
    assert code == 1
    assert "there is no such file or folder" in remarks
    assert list(tmp_path.iterdir()) == []


def test_given_split_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photographs = [
        Line(f"again_{seed:02d}", encode(make_image(seed), quality=70), line.label, f"lesion of {line.image_id}")
        for seed, line in enumerate(make_clean_images(30))
    ]
    path = archive(tmp_path, *photographs)
    _, printed, _ = outcome(capsys, path)
    assert re.search(r"near copy, same lesion +30 +0 +0", printed)
    _, printed, _ = outcome(capsys, path, "--split", "random", "--json")
    findings = json.loads(printed)["findings"]
    torn = [finding for finding in findings if finding["part"] != finding["other_part"]]
    assert 5 < len(torn) < 25
    assert {finding["severity"] for finding in torn} == {"warning"}
    assert {finding["severity"] for finding in findings if finding not in torn} == {"note"}


def test_invalid_usage_is_refused(clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(capsys, clean, "--layout", "ham1000")[0] == 2
    assert outcome(capsys, clean, "--split", "lesions")[0] == 2
    assert outcome(capsys, clean, "--split", "none.csv")[0] == 1


def test_torch_is_not_imported(clean: Path) -> None:
    code = f"""
import sys
from residerm import cli
print(cli.run(["data", "check", {str(clean)!r}]), "torch" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.splitlines()[-1] == "0 False"


def test_real_archive_has_no_errors_and_few_warnings(real_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = outcome(capsys, real_data / "isic2016", "--json")
    report = json.loads(printed)
    assert (code, report["images"], report["errors"]) == (0, 353, 0)
    assert report["warnings"] <= 2


def test_merged_labels_are_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = archives.class_folders(tmp_path / "archive", classes=("Mel", "MEL", "nv"), images=10)
    code, printed, _ = outcome(capsys, folders)
    assert code == 0
    assert re.search(r"merged labels +warning +1 +The labels MEL", printed)
    assert "\nNote: The labels MEL (10), Mel (10) are read as one class, mel: if they are different classes" in printed
    _, printed, _ = outcome(capsys, folders, "--json")
    (finding,) = (one for one in json.loads(printed)["findings"] if one["kind"] == "merged labels")
    assert finding["severity"] == "warning"


def test_archive_too_small_for_a_split_names_the_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = outcome(capsys, write_archive(tmp_path, make_clean_images(4)))
    assert code == 0
    assert "No split was made: class mel has 2 lesions, too few" in printed
    assert "leave it out with --without mel, or omit the validation part (--validation 0)" in printed
