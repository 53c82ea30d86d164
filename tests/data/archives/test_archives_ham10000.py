"""HAM10000 as published, as served by Dataverse, and as redistributed."""

import csv
from pathlib import Path

import archives
import pytest
from record_values import record_values

from residerm.data.archives import open_archive
from residerm.errors import ArchiveError

FULL_NAMES = {
    "akiec": "Actinic keratoses",
    "bcc": "Basal cell carcinoma",
    "bkl": "Benign keratosis-like lesions ",
    "df": "Dermatofibroma",
    "mel": "Melanoma",
    "nv": "Melanocytic nevi",
    "vasc": "Vascular lesions",
}


def fault_kinds(records) -> dict[str, int]:
    return dict(records.faults.counts)


def test_all_values_are_read(tmp_path: Path) -> None:
    records = open_archive(archives.ham10000(tmp_path, lesions=14)).require()
    assert records.classes == archives.SEVEN
    assert records.layout.grouped_by == "lesion"
    assert len(records) == 21
    assert records.class_counts() == {"akiec": 3, "bcc": 3, "bkl": 3, "df": 3, "mel": 3, "nv": 3, "vasc": 3}
    lines = record_values(records)
    second = lines["ISIC_0024307"]
    assert second[:6] == ("bcc", "HAM_0000001", "female", 70.0, "face", "")
    assert second.group == lines["ISIC_0024308"].group
    assert all(line.mask for line in lines.values())
    assert len({line.image for line in lines.values()}) == 21
    assert records.flow == (("rows in the table", 21), ("records", 21))


def test_unknown_values_are_empty(tmp_path: Path) -> None:
    lines = record_values(open_archive(archives.ham10000(tmp_path)))
    assert lines["ISIC_0024308"].sex == lines["ISIC_0024308"].site == ""  # "unknown"
    assert lines["ISIC_0024310"].age is None  # an empty cell
    nothing = archives.set_cells(age="nan", sex="NaN", localization="None", lesion_id="nan")
    records = open_archive(archives.ham10000(tmp_path / "numpy", change=nothing))
    assert {(line.sex, line.age, line.site) for line in record_values(records).values()} == {("", None, "")}
    assert all(line.group == image for image, line in record_values(records).items())
    assert records.layout.grouped_by is None  # so that a split says that it is by image


WILD = {
    "tab-separated with quotes, as Dataverse serves it": {
        "metadata": "HAM10000_metadata.tab",
        "delimiter": "\t",
        "quoting": csv.QUOTE_ALL,
        "change": lambda line: {**line, "dataset": "vidir_modern"},
    },
    "without a suffix": {"metadata": "HAM10000_metadata"},
    "as a second download": {"metadata": "HAM10000_metadata (1).csv"},
    "in capitals": {"metadata": "HAM10000_METADATA.CSV"},
    "with semicolons": {"delimiter": ";"},
    "with Windows's line ends": {"lineterminator": "\r\n"},
    "with an index column": {"change": lambda line: {"": 7, **line}},
    "with .jpg in the ids": {"change": lambda line: {**line, "image_id": line["image_id"] + ".jpg"}},
    "with .JPG in the ids": {"change": lambda line: {**line, "image_id": line["image_id"] + ".JPG"}},
    "with blanks": {"change": lambda line: {name: f" {cell} " for name, cell in line.items()}},
    "with blanks before the column names": {"change": lambda line: {f" {name}": cell for name, cell in line.items()}},
    "with full class names": {"change": lambda line: {**line, "dx": FULL_NAMES[line["dx"]]}},
    "with class names in capitals": {"change": lambda line: {**line, "dx": line["dx"].upper()}},
    "with columns in capitals": {"change": lambda line: {name.upper(): cell for name, cell in line.items()}},
}


@pytest.mark.parametrize("form", WILD)
@pytest.mark.parametrize("packed", [True, False])
def test_redistributed_copies_give_the_same_records(form: str, packed: bool, tmp_path: Path) -> None:
    plain = open_archive(archives.ham10000(tmp_path / "plain"))
    wild = open_archive(archives.ham10000(tmp_path / "wild", packed=packed, **WILD[form])).require()
    assert record_values(wild) == record_values(plain)


def test_ids_are_case_insensitive(tmp_path: Path) -> None:
    path = archives.ham10000(tmp_path, change=lambda line: {**line, "image_id": line["image_id"].lower()})
    records = open_archive(path).require()
    assert len(records) == 21
    assert records.image_id(0) == "isic_0024306"  # as the table writes it


def test_duplicate_folders_of_kaggle_are_read_once(tmp_path: Path) -> None:
    path = archives.ham10000(tmp_path, packed=False)
    for part in (1, 2):
        source, twin = path / f"HAM10000_images_part_{part}", path / f"ham10000_images_part_{part}"
        archives.write(path, {}, {twin.name: {file.name: file.read_bytes() for file in source.iterdir()}}, packed=False)
    records = open_archive(path).require()
    assert len(records) == 21
    assert fault_kinds(records) == {"two files": 21}


def test_zips_take_precedence_over_folders(tmp_path: Path) -> None:
    archives.ham10000(tmp_path, packed=True)
    records = open_archive(archives.ham10000(tmp_path, packed=False)).require()
    assert fault_kinds(records) == {"two files": 2 * 21}  # images and masks
    assert {records.where(row).split("/")[-2][-4:] for row in range(21)} == {".zip"}


def test_zips_take_precedence_over_scaled_copies(tmp_path: Path) -> None:
    path = archives.ham10000(tmp_path)
    picture = archives.make_jpeg(99, (48, 36))  # such as a copy that was scaled
    (path / "scaled").mkdir()
    (path / "scaled" / "ISIC_0024306.jpg").write_bytes(picture)
    (path / "scaled" / "ISIC_0024306_segmentation.png").write_bytes(picture)
    records = open_archive(path).require()
    assert records.read(0) == archives.make_jpeg(24306)
    assert records.read_mask(0) == archives.make_mask(24306)
    assert fault_kinds(records) == {"two files": 2}
    details = [fault.detail for fault in records.faults]
    assert "HAM10000_images_part_1.zip/ISIC_0024306.jpg counts, not " in details[0]
    assert details[0].endswith("scaled/ISIC_0024306.jpg")


def test_conflicting_files_are_an_error(tmp_path: Path) -> None:
    path = archives.ham10000(tmp_path, packed=False)
    (path / "scaled").mkdir()
    (path / "scaled" / "ISIC_0024306.jpg").write_bytes(archives.make_jpeg(99, (48, 36)))
    records = open_archive(path)
    with pytest.raises(
        ArchiveError, match=r"1 × two different files: ISIC_0024306 \(.*part_1/ISIC.* and .*scaled/ISIC"
    ):
        records.require()
    assert "ISIC_0024306" not in record_values(records.require("skip"))


def test_missing_part_2_is_reported(tmp_path: Path) -> None:
    path = archives.ham10000(tmp_path)
    (path / "HAM10000_images_part_2.zip").unlink()
    records = open_archive(path)
    assert fault_kinds(records) == {"row without image": 11}
    with pytest.raises(
        ArchiveError, match=r"11 × row without image: ISIC_.* and 8 more.*`on_bad_image=skip`"
    ) as failure:
        records.require()
    assert "\n" not in str(failure.value)
    assert len(records.require("skip")) == 10
    assert records.flow == (("rows in the table", 21), ("row without image", -11), ("records", 10))


def test_missing_images_error_names_the_expected_place(tmp_path: Path) -> None:
    path = archives.ham10000(tmp_path, masks=False)
    for part in (1, 2):
        (path / f"HAM10000_images_part_{part}.zip").unlink()
    with pytest.raises(ArchiveError, match="21 rows, but there are no images: put the zips"):
        open_archive(path)


def test_images_without_rows_are_reported(tmp_path: Path) -> None:
    path = archives.ham10000(tmp_path, change=lambda line: None if line["image_id"] == "ISIC_0024306" else line)
    records = open_archive(path).require()
    assert [(fault.kind, fault.image_id) for fault in records.faults] == [("image without row", "isic_0024306")]
    assert len(records) == 20


def test_unknown_label_error_lists_the_classes(tmp_path: Path) -> None:
    wrong = {"ISIC_0024306": "naevus?", "ISIC_0024307": ""}
    records = open_archive(
        archives.ham10000(tmp_path, change=lambda line: {**line, "dx": wrong.get(line["image_id"], line["dx"])})
    )
    with pytest.raises(
        ArchiveError, match=r"2 × unknown label: ISIC_0024306 \('naevus\?'\), ISIC_0024307 \(no label\); "
    ):
        records.require()
    assert records.flow == (("rows in the table", 21), ("unknown label", -2), ("records", 19))
    assert len(records.require("skip")) == 19


def test_unknown_diagnoses_are_left_out(tmp_path: Path) -> None:
    records = open_archive(
        archives.ham10000(tmp_path, change=archives.set_cells("ISIC_0024306", dx="unknown"))
    ).require()
    assert records.flow[1] == ("unknown diagnosis or a synthetic image", -1)
    assert not len(records.faults)


def with_repeated_row(path: Path, **changed: str) -> Path:
    """The archive with a changed copy of the first row at the end."""
    table = path / "HAM10000_metadata.csv"
    with table.open(newline="") as stream:
        line = next(csv.DictReader(stream))
    with table.open("a", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerow((line | changed).values())
    return path


def test_repeated_rows_are_counted_once(tmp_path: Path) -> None:
    records = open_archive(with_repeated_row(archives.ham10000(tmp_path), age="5")).require()
    assert fault_kinds(records) == {"repeated row": 1}
    assert record_values(records) == record_values(open_archive(archives.ham10000(tmp_path / "plain")))
    assert records.flow == (("rows in the table", 22), ("repeated row", -1), ("records", 21))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"dx": "mel"}, "labelled akiec,mel"),
        ({"dx": "unknown"}, "labelled akiec,unknown"),
        ({"lesion_id": "HAM_9"}, "of HAM_0000000,HAM_9"),
        ({"image_id": "isic_0024306.jpg", "dx": "mel"}, "labelled akiec,mel"),
    ],
)
def test_contradictory_rows_are_an_error(changed: dict[str, str], says: str, tmp_path: Path) -> None:
    records = open_archive(with_repeated_row(archives.ham10000(tmp_path), **changed))
    with pytest.raises(ArchiveError, match=rf"1 × contradicting rows: ISIC_0024306 \({says}\)"):
        records.require()
    assert "ISIC_0024306" not in record_values(records.require("skip"))
    assert records.flow == (("rows in the table", 22), ("contradicting rows", -2), ("records", 20))


def test_actinic_keratosis_is_read_as_akiec(tmp_path: Path) -> None:
    records = open_archive(
        archives.ham10000(tmp_path, change=archives.set_cells("ISIC_0024306", dx="Actinic keratosis"))
    )
    assert record_values(records.require())["ISIC_0024306"].label == "akiec"


def test_missing_column_error_names_the_column(tmp_path: Path) -> None:
    path = archives.ham10000(
        tmp_path, change=lambda line: {"diagnosis" if name == "dx" else name: line[name] for name in line}
    )
    with pytest.raises(ArchiveError, match=r"HAM10000_metadata.csv has no column 'dx'; its columns are lesion_id"):
        open_archive(path)


@pytest.mark.parametrize("packed", [True, False])
def test_test_images_from_dataverse_are_the_test_part(packed: bool, tmp_path: Path) -> None:
    path = archives.ham10000(tmp_path, packed=packed, metadata="HAM10000_metadata.tab", delimiter="\t")
    lines = [
        {"lesion_id": f"HAMTEST_{number}", "image_id": f"ISIC_{number:07d}", "dx": "nv", "age": 50, "sex": "male"}
        for number in range(35065, 35069)
    ]
    pictures = {f"ISIC2018_Task3_Test_Images/{line['image_id']}.jpg": archives.make_jpeg(35) for line in lines[:-1]}
    table = archives.make_table(lines, delimiter="\t", quoting=csv.QUOTE_ALL)
    archives.write(
        path, {"ISIC2018_Task3_Test_GroundTruth.tab": table}, {"ISIC2018_Task3_Test_Images": pictures}, packed
    )
    records = open_archive(path).require()
    parts = [line.part for line in record_values(records).values()]
    assert parts == ["train"] * 21 + ["test"] * 3
    assert records.flow[1] == ("unknown diagnosis or a synthetic image", -1)  # ISIC_0035068 has no image there


def test_test_table_of_the_challenge_is_another_archive(tmp_path: Path) -> None:
    archives.ham10000(tmp_path)
    archives.isic2018(tmp_path / "isic2018")
    with pytest.raises(ArchiveError, match=r"more than one archive \(ham10000, isic2018\)"):
        open_archive(tmp_path)


def test_synthetic_archives_are_recognised_by_their_marker(tmp_path: Path) -> None:
    records = open_archive(archives.synthetic(tmp_path / "synthetic"))
    assert (records.layout.name, records.layout.synthetic) == ("synthetic", True)
    path = archives.ham10000(tmp_path / "real")
    archives.write(path / "other", {"synthetic.json": b"{}"}, {}, packed=True)
    assert not open_archive(path).layout.synthetic


def test_real_ham10000(real_data: Path) -> None:
    records = open_archive(real_data / "ham10000").require()
    counts = {"nv": 5703, "mel": 944, "bkl": 934, "bcc": 442, "akiec": 280, "vasc": 121, "df": 95}
    assert records.class_counts() == counts
    assert len(set(records.groups.tolist())) == 6350
    assert (records.table["mask"] >= 0).all()
    assert len(records.for_task("malignancy")) == 8519
    assert records.for_task("melanoma").class_counts() == {"not_melanoma": 7575, "melanoma": 944}


def test_partial_archive_is_reported(tmp_path: Path) -> None:
    records = open_archive(archives.ham10000(tmp_path))
    assert f"This is a part of HAM10000: {len(records)} of its 10,015 images." in records.notes
    assert not any("part of" in note for note in open_archive(archives.synthetic(tmp_path / "synthetic")).notes)


def test_test_images_do_not_make_up_for_missing_ones(tmp_path: Path) -> None:
    table = archives.make_table([{"lesion_id": "HAM_9", "image_id": "ISIC_0034529", "dx": "nv"}])
    images = {"ISIC2018_Task3_Test_Images": {"ISIC_0034529.jpg": archives.make_jpeg(1)}}
    path = archives.ham10000(tmp_path)
    archives.write(path, {"ISIC2018_Task3_Test_GroundTruth.csv": table}, images, packed=True)
    assert open_archive(path).shortage == ("This is a part of HAM10000: 21 of its 10,015 images.",)
