"""DermaMNIST's npz files, class folders and CSV tables."""

from pathlib import Path

import archives
import numpy as np
import pytest
from record_values import record_values

from residerm.data.archives import open_archive
from residerm.errors import ArchiveError, UsageError
from residerm.imaging import decode

# DermaMNIST ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [28, 64, 128, 224])
@pytest.mark.parametrize("direct", [True, False], ids=["its path", "its folder"])
def test_dermamnist(side: int, direct: bool, tmp_path: Path) -> None:
    path = archives.dermamnist(tmp_path, side=side, images=(14, 7, 7))
    records = open_archive(path if direct else tmp_path).require()
    assert records.classes == archives.SEVEN
    assert records.class_counts() == dict.fromkeys(archives.SEVEN, 4)
    lines = record_values(records)
    assert [lines[f"test/{row:06d}"].label for row in range(7)] == list(archives.SEVEN)
    parts = [line.part for line in lines.values()]
    assert [parts.count(part) for part in ("train", "validation", "test")] == [14, 7, 7]
    with np.load(path) as arrays:
        assert np.array_equal(np.asarray(decode(records.read(16))), arrays["val_images"][2])
    assert records.layout.grouped_by is None
    assert "same lesion" in records.layout.notes[0]


def test_dermamnist_in_two_sizes_is_ambiguous(tmp_path: Path) -> None:
    archives.dermamnist(tmp_path)
    path = archives.dermamnist(tmp_path, side=64)
    with pytest.raises(ArchiveError, match=r"\(dermamnist.npz, dermamnist_64.npz\): give its path"):
        open_archive(tmp_path)
    assert len(open_archive(path)) == 28


def test_renamed_dermamnist_is_read_with_an_explicit_layout(tmp_path: Path) -> None:
    path = archives.dermamnist(tmp_path).rename(tmp_path / "data.npz")
    assert len(open_archive(path, layout="dermamnist")) == 28
    with pytest.raises(ArchiveError, match=r"not a known archive.*`layout` is one of .*dermamnist"):
        open_archive(path)


def save(path: Path, **changed: np.ndarray | None) -> Path:
    """Write DermaMNIST with changed arrays; None removes one."""
    with np.load(archives.dermamnist(path)) as arrays:
        kept = {**arrays, **changed}
    np.savez(path / "dermamnist.npz", **{name: array for name, array in kept.items() if array is not None})
    return path / "dermamnist.npz"


def test_grey_npz_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="is not DermaMNIST: its images are grey, or not 28"):
        open_archive(archives.dermamnist(tmp_path, grey=True))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"train_labels": None}, "no array 'train_labels'"),
        ({"test_labels": np.zeros((7, 14), np.uint8)}, r"test_labels is uint8 of shape \(7, 14\)"),
        ({"val_labels": np.zeros((7, 1))}, "val_labels is float64"),
        ({"val_labels": np.array([["a"]] * 7)}, "val_labels is <U1"),
        ({"train_images": np.zeros((14, 28, 28, 3))}, "train_images"),
        ({"train_images": np.zeros(14, np.uint8)}, "train_images"),
        ({f"{part}_images": None for part in ("train", "val", "test")}, "there are no images"),
    ],
)
def test_npz_with_other_arrays_is_refused(changed: dict, says: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=says) as failure:
        open_archive(save(tmp_path, **changed)).require()
    assert "dermamnist.npz" in str(failure.value)


def test_dermamnist_with_invalid_labels_or_rows(tmp_path: Path) -> None:
    labels = np.array([[0], [7], [200], [1], [2], [3], [4], [5], [6]], np.uint8)
    records = open_archive(save(tmp_path, val_labels=labels))
    found = [(fault.kind, fault.image_id, fault.detail) for fault in records.faults]
    assert found == [
        ("unknown label", "val/000001", "'7'"),
        ("unknown label", "val/000002", "'200'"),
        ("row without image", "val/000007", "no file of that name"),
        ("row without image", "val/000008", "no file of that name"),
    ]


# A folder for each class -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [True, False])
def test_class_folders(packed: bool, tmp_path: Path) -> None:
    records = open_archive(archives.class_folders(tmp_path, classes=("dog", "cat"), packed=packed)).require()
    assert records.classes == ("cat", "dog")
    assert sorted(record_values(records)) == [f"{name}/{turn}.jpg" for name in ("cat", "dog") for turn in range(3)]
    assert {(line.part, line.sex, line.mask) for line in record_values(records).values()} == {("", "", None)}
    assert records.layout.grouped_by is None


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "Validation", "Testing")])
def test_class_folders_in_parts(names: tuple[str, ...], packed: bool, tmp_path: Path) -> None:
    records = open_archive(archives.class_folders(tmp_path, parts=names, packed=packed)).require()
    lines = record_values(records)
    assert len(lines) == 18
    for name, part in zip(names, ("train", "validation", "test"), strict=True):
        assert lines[f"{name}/cat/0.jpg"].part == part
        assert lines[f"{name}/dog/0.jpg"].label == "dog"


def test_class_folders_in_a_subfolder(tmp_path: Path) -> None:
    archives.class_folders(tmp_path / "data" / "set", parts=("train", "test"))
    (tmp_path / "README.md").write_text("cats and dogs")
    assert open_archive(tmp_path).classes == ("cat", "dog")
    assert open_archive(archives.zip_folder(tmp_path)).classes == ("cat", "dog")


def test_class_folders_in_several_zips(tmp_path: Path) -> None:
    for part in ("part_1", "part_2"):
        members = {f"{part}/{name}/{part}.jpg": archives.make_jpeg(len(name)) for name in ("cat", "horse")}
        archives.write(tmp_path, {}, {part: members}, packed=True)
    records = open_archive(tmp_path).require()
    assert records.class_counts() == {"cat": 2, "horse": 2}


def test_class_folders_with_full_diagnosis_names(tmp_path: Path) -> None:
    names = ("Melanoma", "melanocytic nevi", "basal_cell_carcinoma", "Actinic-Keratosis")
    records = open_archive(archives.class_folders(tmp_path, classes=names))
    assert records.classes == ("ak", "bcc", "mel", "nv")
    assert records.for_task("malignancy").class_counts() == {"benign": 3, "malignant": 9}


def test_class_folder_names_are_case_insensitive(tmp_path: Path) -> None:
    archives.class_folders(tmp_path / "train", classes=("Cat", "dog"))
    archives.class_folders(tmp_path / "test", classes=("cat", "dog"))
    assert open_archive(tmp_path).class_counts() == {"cat": 6, "dog": 6}


def test_class_folder_of_unknown_diagnosis_is_left_out(tmp_path: Path) -> None:
    records = open_archive(archives.class_folders(tmp_path, classes=("cat", "dog", "unknown")))
    assert records.flow == (("rows in the table", 9), ("unknown diagnosis", -3), ("records", 6))


def test_single_class_folder(tmp_path: Path) -> None:
    assert open_archive(archives.class_folders(tmp_path / "cats", classes=("cat",))).class_counts() == {"cat": 3}
    archives.class_folders(tmp_path / "deep" / "train", classes=("cat",))
    assert open_archive(tmp_path / "deep").class_counts() == {"cat": 3}


@pytest.mark.parametrize("place", ["one.jpg", "train/one.jpg"])
def test_images_outside_class_folders_are_left_out(place: str, tmp_path: Path) -> None:
    path = archives.class_folders(tmp_path, parts=("train",))
    (path / place).write_bytes(archives.make_jpeg(100))
    records = open_archive(path).require()
    assert len(records) == 6
    assert [fault[:2] for fault in records.faults] == [("image without row", place)]


def test_subfolders_of_class_folders_are_not_classes(tmp_path: Path) -> None:
    archives.class_folders(tmp_path / "cat", classes=("tom", "garfield"))
    archives.class_folders(tmp_path / "dog", classes=("snoopy",))
    with pytest.raises(
        ArchiveError, match=r"not clear which folders are the classes.*cat/garfield.*dog/snoopy.*into one folder"
    ):
        open_archive(tmp_path)


def test_file_names_that_are_not_utf8(tmp_path: Path) -> None:
    archives.class_folders(tmp_path)
    odd = tmp_path / "cat" / "caf\udce9.jpg"
    odd.write_bytes(archives.make_jpeg(7))
    (tmp_path / "dog").rename(tmp_path / "ch\udcefen")
    records = open_archive(tmp_path).require()
    assert records.class_counts() == {"cat": 4, "ch?en": 3}
    assert "cat/caf?.jpg" in record_values(records)


# A table ---------------------------------------------------------------------------------------------------------

NAMED = {
    "path and label": ("path", "label", "images/{}.jpg"),
    "below a folder above": ("file", "class", "data/images/{}.jpg"),
    "of another machine": ("filepath", "target", "/home/someone/set/images/{}.jpg"),
    "of Windows": ("file_name", "diagnosis", "C:\\set\\images\\{}.jpg"),
    "with a dot": ("image_path", "dx", "./images/{}.jpg"),
    "of a folder that is not here": ("filename", "label", "elsewhere/{}.jpg"),
    "bare names": ("filename", "label", "{}.jpg"),
    "bare names of another kind": ("image", "label", "{}.png"),
    "ids": ("image_id", "label", "{}"),
    "ids in blanks": ("image_name", "label", " {} "),
    "ids that are paths": ("image", "Label", "images/{}"),
}


def renamed(file: str, label: str, form: str) -> archives.Change:
    def change(line: archives.Line) -> archives.Line:
        return {file: form.format(Path(line["path"]).stem), label: line["label"]}

    return change


@pytest.mark.parametrize("direct", [True, False], ids=["its path", "its folder"])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("form", NAMED)
def test_table_refers_to_its_images(form: str, packed: bool, direct: bool, tmp_path: Path) -> None:
    path = archives.csv_table(tmp_path, packed=packed, change=renamed(*NAMED[form]))
    records = open_archive(path / "labels.csv" if direct else path).require()
    assert [line.label for line in record_values(records).values()] == ["cat", "dog"] * 3
    assert [records.read(row) for row in range(6)] == [archives.make_jpeg(turn) for turn in range(6)]
    assert not len(records.faults)
    assert records.layout.grouped_by is None


@pytest.mark.parametrize("name", ["labels.tsv", "labels.tab", "Labels.CSV"])
def test_table_file_types(name: str, tmp_path: Path) -> None:
    path = archives.csv_table(tmp_path, name=name)
    assert len(open_archive(path).require()) == len(open_archive(path / name).require()) == 6


def test_all_columns_of_a_table_are_read(tmp_path: Path) -> None:
    def change(line: archives.Line) -> archives.Line:
        turn = int(Path(line["path"]).stem)
        person = {
            "gender": "F",
            "age_approx": "55",
            "localization": "Back",
            "split": ("Train", "test", "val")[turn % 3],
        }
        return line | {"image_id": f"nr {turn}", "patient_id": f"p{turn // 3}", "lesion_id": f"l{turn}"} | person

    records = open_archive(archives.csv_table(tmp_path, change=change)).require()
    lines = record_values(records)
    assert lines["nr 4"][:6] == ("cat", "p1", "female", 55.0, "back", "test")
    assert lines["nr 5"].part == "validation"
    assert records.layout.grouped_by == "group"


def test_paths_distinguish_files_of_the_same_name(tmp_path: Path) -> None:
    archives.class_folders(tmp_path)
    lines = [{"path": f"{name}/{turn}.jpg", "label": name} for name in ("cat", "dog") for turn in range(3)]
    (tmp_path / "labels.csv").write_bytes(archives.make_table(lines))
    records = open_archive(tmp_path).require()
    assert record_values(records)["dog/0.jpg"].label == "dog"
    assert records.read(3) == archives.make_jpeg(3)


def test_ids_that_match_two_files_are_an_error(tmp_path: Path) -> None:
    archives.class_folders(tmp_path)
    (tmp_path / "cat" / "0.jpg").write_bytes(archives.make_jpeg(0, (48, 36)))
    (tmp_path / "labels.csv").write_text("image_id,label\n0,cat\n1,cat\n2,cat\n")
    with pytest.raises(ArchiveError, match=r"two different files; the first is 0 \(.*cat/0.jpg and .*dog/0.jpg\)"):
        open_archive(tmp_path).require()


def test_paths_match_by_their_end_ignoring_case(tmp_path: Path) -> None:
    archives.write(
        tmp_path, {}, {"images": {"10.jpg": archives.make_jpeg(0), "B.JPG": archives.make_jpeg(1)}}, packed=False
    )
    (tmp_path / "labels.csv").write_text(
        "path,label\nELSEWHERE/10.JPG,cat\nimages/b.jpg,dog\nlong/lost/path/1.jpg,cat\n"
    )
    records = open_archive(tmp_path)
    assert records.class_counts() == {"cat": 1, "dog": 1}
    assert [fault[:2] for fault in records.faults] == [("row without image", "long/lost/path/1.jpg")]


def test_ids_may_contain_dots(tmp_path: Path) -> None:
    archives.write(tmp_path, {"v1.0.jpg": archives.make_jpeg(0), "v1.1.jpg": archives.make_jpeg(1)}, {}, packed=False)
    (tmp_path / "labels.csv").write_text("image_id,label\nv1.0,cat\nv1.1,dog\n")
    assert open_archive(tmp_path).require().class_counts() == {"cat": 1, "dog": 1}


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("path,file,label", r"labels.csv has more than one column for the image's path \(path, file\): keep one"),
        ("path,label,class", r"more than one column for the label \(label, class\)"),
        ("path,species,age", r"no column for the label: name one label or class or .* columns are path, species, age"),
        ("picture,label,age", "no column for the image: name one image or image_id"),
        ("image,image_id,label", r"more than one column for the image \(image, image_id\)"),
    ],
)
@pytest.mark.parametrize("direct", [True, False], ids=["its path", "its folder"])
def test_missing_or_ambiguous_columns_are_refused(header: str, says: str, direct: bool, tmp_path: Path) -> None:
    archives.csv_table(tmp_path)
    (tmp_path / "labels.csv").write_text(f"{header}\nimages/0.jpg,cat,1\n")
    (tmp_path / "images").rename(tmp_path / "train")  # else a folder of a class
    with pytest.raises(ArchiveError, match=says):
        open_archive(tmp_path / "labels.csv" if direct else tmp_path)


def test_the_matching_table_is_chosen(tmp_path: Path) -> None:
    path = archives.csv_table(tmp_path)
    (path / "scores.csv").write_text("epoch,loss\n1,2\n")
    assert open_archive(path).layout.name == "csv"
    (path / "more.csv").write_text("path,label\nimages/0.jpg,mouse\nimages/1.jpg,cat\n")
    with pytest.raises(
        ArchiveError, match=r"there must be one table of images and labels \(.*labels.csv, .*more.csv\): give"
    ):
        open_archive(path)
    assert open_archive(path / "more.csv").classes == ("cat", "mouse")


def test_table_without_labels_is_ignored(tmp_path: Path) -> None:
    path = archives.class_folders(tmp_path)
    (path / "scores.csv").write_text("epoch,loss\n1,2\n")
    assert open_archive(path).layout.name == "folders"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"path,label\n", "no rows"),
        (b"\x00\x01\x02", "zero bytes|not a text table"),
        (b"path,label\nimages/0.jpg\n", "line 2"),
    ],
)
def test_unreadable_table_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    path = archives.csv_table(tmp_path)
    (path / "labels.csv").write_bytes(content)
    with pytest.raises(ArchiveError, match=says):
        open_archive(path / "labels.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_table_encodings(encoding: str, tmp_path: Path) -> None:
    archives.write(tmp_path, {"naïve.jpg": archives.make_jpeg(0), "b.jpg": archives.make_jpeg(1)}, {}, packed=False)
    (tmp_path / "labels.csv").write_bytes("path,label\nnaïve.jpg,Bläschen\nb.jpg,nv\n".encode(encoding))
    assert open_archive(tmp_path).require().classes == ("Bläschen", "nv")


def test_free_text_is_not_a_label(tmp_path: Path) -> None:
    archives.csv_table(tmp_path)
    lines = [{"path": f"{number}.jpg", "label": f"a lesion of {number} mm"} for number in range(10_001)]
    (tmp_path / "labels.csv").write_bytes(archives.make_table(lines))
    with pytest.raises(ArchiveError, match="more than 10,000 different values of class; is it the right column"):
        open_archive(tmp_path)


def test_table_without_matching_images_is_refused(tmp_path: Path) -> None:
    path = archives.csv_table(tmp_path, change=renamed("path", "label", "images/nr-{}.jpg"))
    with pytest.raises(
        ArchiveError, match=r"none of the 6 rows .* 6 × row without image; the first is images/nr-0.jpg"
    ):
        open_archive(path)


def test_csv_layout_of_another_folder_is_refused(tmp_path: Path) -> None:
    path = archives.csv_table(tmp_path) / "labels.csv"
    with pytest.raises(UsageError, match=r"`layout=ham10000`: give the folder of labels\.csv"):
        open_archive(path, layout="ham10000")
    with pytest.raises(ArchiveError, match=r"nowhere\.csv"):
        open_archive(tmp_path / "nowhere.csv")
    with pytest.raises(ArchiveError, match=r"\.labels\.csv is hidden"):
        open_archive(path.rename(path.with_name(".labels.csv")))


@pytest.mark.parametrize("classes", [("Mel", "mel", "MEL", "nv"), ("MEL", "melanoma", "nv")])
def test_merged_class_folders_are_reported(tmp_path: Path, classes: tuple[str, ...]) -> None:
    records = open_archive(archives.class_folders(tmp_path / "archive", classes=classes))
    assert records.classes == ("mel", "nv")
    class_names = ", ".join(f"{name} (3)" for name in sorted(classes[:-1]))
    merged = f"The labels {class_names} are read as one class, mel: if they are different classes, rename them."
    assert records.merged == records.notes == (merged,)
    assert not open_archive(archives.class_folders(tmp_path / "other")).notes


def test_merged_labels_of_a_table_are_reported(tmp_path: Path) -> None:
    def class_names(line: dict[str, str]) -> dict[str, str]:
        return line | {"label": "Cat"} if line["path"] == "images/0.jpg" else line

    records = open_archive(archives.csv_table(tmp_path / "archive", change=class_names))
    assert records.classes == ("Cat", "dog")
    assert records.merged[0].startswith("The labels Cat (1), cat (2) are read as one class, Cat")
    assert not open_archive(archives.csv_table(tmp_path / "other")).merged
