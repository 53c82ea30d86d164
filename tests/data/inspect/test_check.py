"""Findings of `check` and their severity."""

import time
from pathlib import Path

import archives
import pytest
from PIL import Image
from sample_lesions import SIZE, Line, decode, encode, make_clean_images, make_image, make_mask, write_archive

from residerm.config import SplitOptions
from residerm.data.archives import open_archive
from residerm.data.inspect.check import EXACT, NEAR, CheckReport, Finding, check_archive
from residerm.errors import ArchiveError


def checked(folder: Path, *lines: Line, splits: Path | None = None) -> CheckReport:
    """Check fourteen valid images and these, with the default split or one from a file."""
    options = SplitOptions(split=str(splits)) if splits else SplitOptions()
    return check_archive(open_archive(write_archive(folder, [*make_clean_images(), *lines])), options)


def all_in_training(folder: Path) -> Path:
    """A splits.csv with the valid images in all parts, and a and b in training."""
    parts = ["train", "validation", "test"] + ["train"] * 11
    lines = [f"{line.image_id},{part}" for line, part in zip(make_clean_images(), parts, strict=True)]
    path = folder.with_name(f"{folder.name}-splits.csv")
    path.write_text("\n".join(["image_id,part", *lines, "a,train", "b,train", ""]))
    return path


def only(report: CheckReport) -> Finding:
    (finding,) = report.findings
    return finding


def test_valid_archive_has_no_findings(tmp_path: Path) -> None:
    report = checked(tmp_path)
    assert report.findings == ()
    assert (report.archive, report.images, report.masks, report.grouped_by) == ("HAM10000", 14, 14, "lesion")
    assert report.split == "Split by lesion: 10 train, 2 validation, 2 test. No lesion is in two parts (asserted)."


JPEG = encode(make_image(99))
BAD_IMAGES = {
    "empty image": (b"", "the file is empty"),
    "truncated image": (JPEG[: len(JPEG) // 2], "the image is cut short"),
    "unreadable image": (b"this is not an image", "this is not an image, or its header is damaged"),
}


@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_unreadable_image_is_an_error_with_id_and_file(kind: str, tmp_path: Path) -> None:
    data, reason = BAD_IMAGES[kind]
    finding = only(checked(tmp_path, Line("bad", data, "mel")))
    assert (finding.kind, finding.severity, finding.image_id, finding.detail) == (kind, "error", "bad", reason)
    assert (finding.file, finding.label) == (f"{tmp_path}/images/bad.jpg", "mel")


def test_rows_without_files_and_files_without_rows(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "nobodys.jpg").write_bytes(encode(make_image(50)))
    twice = Line("twice", encode(make_image(51)))
    contradicting = Line("torn", encode(make_image(52))), Line("torn", encode(make_image(52)), "mel")
    strange = Line("strange", encode(make_image(53)), "wart")
    report = checked(tmp_path, Line("gone", None), twice, twice, *contradicting, strange)
    assert {(finding.kind, finding.severity, finding.image_id) for finding in report.findings} == {
        ("row without image", "error", "gone"),
        ("repeated row", "error", "twice"),
        ("contradicting rows", "error", "torn"),
        ("unknown label", "error", "strange"),
        ("image without row", "warning", "nobodys"),
    }
    assert [finding.severity for finding in report.findings] == ["error"] * 4 + ["warning"]


def test_packed_and_unpacked_copies_are_a_warning(tmp_path: Path) -> None:
    archives.ham10000(tmp_path, masks=False)
    (tmp_path / "ISIC_0024306.jpg").write_bytes(archives.make_jpeg(24306))
    findings = check_archive(open_archive(tmp_path), SplitOptions()).findings
    (double,) = (finding for finding in findings if finding.kind == "two files")
    assert (double.severity, double.image_id.upper()) == ("warning", "ISIC_0024306")


BAD_MASKS = {
    "empty mask": ("warning", make_mask(empty=True)),
    "odd mask size": ("warning", make_mask((60, 45))),
    "unreadable mask": ("error", b""),
}


@pytest.mark.parametrize("kind", BAD_MASKS)
def test_masks_are_checked(kind: str, tmp_path: Path) -> None:
    severity, mask = BAD_MASKS[kind]
    finding = only(checked(tmp_path, Line("masked", JPEG, mask=mask)))
    assert (finding.kind, finding.severity, finding.image_id) == (kind, severity, "masked")
    assert finding.file == f"{tmp_path}/masks/masked_segmentation.png"


def test_mask_of_a_rotated_image_matches(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to see it upright
    lying = encode(make_image(99).transpose(Image.Transpose.ROTATE_90), exif=exif)
    assert checked(tmp_path, Line("lying", lying, mask=make_mask())).findings == ()


def test_size_of_a_large_image_is_that_of_the_file(tmp_path: Path) -> None:
    size = (960, 720)
    large = encode(make_image(99).resize(size))
    finding = only(checked(tmp_path, Line("large", large, mask=make_mask(size))))
    assert (finding.kind, finding.severity, finding.detail) == ("odd size", "warning", "960x720, not 120x90")


def test_small_and_blank_images_are_warnings(tmp_path: Path) -> None:
    blank = encode(Image.new("RGB", SIZE, "black"))
    report = checked(tmp_path, Line("small", encode(make_image(98).resize((20, 15)))), Line("blank", blank))
    assert {finding[:3] for finding in report.findings} == {
        ("very small", "warning", "small"),
        ("odd size", "warning", "small"),
        ("one colour", "warning", "blank"),
    }


def test_blank_images_are_copies_only_if_identical(tmp_path: Path) -> None:
    black, white = (encode(Image.new("RGB", SIZE, colour)) for colour in ("black", "white"))
    report = checked(tmp_path, Line("a", black), Line("b", white), Line("c", black))
    pairs = [(finding.image_id, finding.other_id) for finding in report.findings if finding.other_id]
    assert pairs == [("a", "c")]


RECODED = encode(make_image(99), quality=60)
COPIES = {  # first, second → kind, severity and what stands in the detail
    "same bytes": (Line("a", JPEG), Line("b", JPEG), EXACT, "warning", "the same bytes"),
    "same pixels": (
        Line("a", JPEG),
        Line("b", encode(decode(JPEG), "PNG"), suffix=".png"),
        EXACT,
        "warning",
        "the same pixels in another file",
    ),
    "same bytes of one lesion": (
        Line("a", JPEG, lesion="one"), Line("b", JPEG, lesion="one"), EXACT, "warning", "the same bytes"
    ),
    "same bytes, two labels": (Line("a", JPEG), Line("b", JPEG, "mel"), EXACT, "error", "labelled nv and mel"),
    "nearly": (Line("a", JPEG), Line("b", RECODED), NEAR, "warning", ""),
    "nearly, two labels": (Line("a", JPEG), Line("b", RECODED, "mel"), NEAR, "warning", "labelled nv and mel"),
    "nearly, of one lesion": (Line("a", JPEG, lesion="one"), Line("b", RECODED, lesion="one"), NEAR, "note", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", COPIES)
def test_severity_of_copies(name: str, tmp_path: Path) -> None:
    first, second, kind, severity, detail = COPIES[name]
    finding = only(checked(tmp_path, first, second, splits=all_in_training(tmp_path)))
    assert (finding.kind, finding.severity) == (kind, severity)
    assert (finding.image_id, finding.other_id) == ("a", "b")
    assert (finding.label, finding.other_label) == (first.label, second.label)
    assert finding.same_group == ("yes" if first.lesion else "no")
    assert finding.detail.endswith(detail)
    assert bool(finding.detail) == bool(detail)
    assert finding.distance == 0 if kind == EXACT else 0 < finding.distance < 0.3


@pytest.mark.parametrize(("kind", "severity"), [(EXACT, "error"), (NEAR, "warning")])
@pytest.mark.parametrize("lesion", ["", "one"])
def test_copies_in_different_parts(kind: str, severity: str, lesion: str, tmp_path: Path) -> None:
    splits = all_in_training(tmp_path)
    splits.write_text(splits.read_text().replace("b,train", "b,test"))
    copy = Line("b", JPEG if kind == EXACT else RECODED, lesion=lesion)
    finding = only(checked(tmp_path, Line("a", JPEG, lesion=lesion), copy, splits=splits))
    assert (finding.kind, finding.severity) == (kind, severity)
    assert (finding.part, finding.other_part) == ("train", "test")
    assert finding.detail.endswith("in train and test")


def test_copies_are_counted_by_kind_group_label_and_part(tmp_path: Path) -> None:
    splits = all_in_training(tmp_path)
    splits.write_text(splits.read_text().replace("b,train", "b,test") + "c,train\nd,train\n")
    cropped = encode(make_image(99).crop((8, 5, 118, 90)), quality=80)
    copies = Line("a", JPEG), Line("b", JPEG), Line("c", RECODED, "mel", "one"), Line("d", cropped, "nv", "one")
    report = checked(tmp_path, *copies, splits=splits)
    assert report.copies() == {(EXACT, "no"): (1, 0, 1), (NEAR, "no"): (4, 2, 2), (NEAR, "yes"): (1, 1, 0)}


def test_copies_in_an_archive_without_groups(tmp_path: Path) -> None:
    for number in range(20):
        place = tmp_path / ("cat", "dog")[number % 2] / f"{number}.jpg"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(encode(make_image(number)))
    (tmp_path / "cat" / "again.jpg").write_bytes(encode(make_image(4), quality=70))
    finding = only(check_archive(open_archive(tmp_path), SplitOptions()))
    assert (finding.kind, finding.severity, finding.same_group) == (NEAR, "warning", "")
    assert {finding.image_id, finding.other_id} == {"cat/4.jpg", "cat/again.jpg"}


@pytest.mark.parametrize(
    ("split", "words", "by_image"),
    [
        ("lesion", "Split by image: ", True),
        ("random", "Random split by image: ", True),
        ("archive", "The archive's own split: ", False),
    ],
)
def test_split_without_lesions_is_described(split: str, words: str, by_image: bool, tmp_path: Path) -> None:
    for number in range(24):
        place = tmp_path / ("train", "val", "test")[number // 2 % 3] / ("cat", "dog")[number % 2] / f"{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encode(make_image(number)))
    text = check_archive(open_archive(tmp_path), SplitOptions(split=split)).split
    assert text.startswith(words)
    assert ("so the split is by image" in text) is by_image


def test_split_from_a_file_is_described(tmp_path: Path) -> None:
    splits = all_in_training(tmp_path)
    report = checked(tmp_path, Line("a", JPEG), Line("b", encode(make_image(98))), splits=splits)
    assert report.split.startswith(f"Split of {splits}: ")
    assert report.split.endswith("No lesion is in two parts (asserted).")


def test_archive_too_small_to_split_is_checked(tmp_path: Path) -> None:
    archive = write_archive(tmp_path, [*make_clean_images(4), Line("a", JPEG), Line("b", JPEG)])
    report = check_archive(open_archive(archive), SplitOptions())
    assert report.split.startswith("No split was made: class mel has 2 lesions, too few")
    assert (only(report).kind, only(report).severity, only(report).part) == (EXACT, "warning", "")
    with pytest.raises(ArchiveError, match="too few"):
        check_archive(open_archive(archive), SplitOptions(test=0.3))


def test_thousands_of_unreadable_images_are_checked_quickly(tmp_path: Path) -> None:
    """They must not be compared with each other as duplicates."""
    for number in range(3000):
        place = tmp_path / ("cat", "dog")[number % 2] / f"{number}.jpg"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"no image")
    start = time.process_time()
    report = check_archive(open_archive(tmp_path), SplitOptions())
    assert time.process_time() - start < 3
    assert report.kinds().keys() == {("error", "unreadable image")}
    assert len(report.findings) == 3000
