"""The archives of the ISIC challenges from 2016 to 2020."""

from pathlib import Path

import archives
import pytest
from record_values import record_values

from residerm.data.archives import open_archive
from residerm.data.archives.records import Records
from residerm.errors import ArchiveError, UsageError

PACKED = pytest.mark.parametrize("packed", [True, False])


def labels(records: Records) -> dict[str, str]:
    return {image: line.label for image, line in record_values(records).items()}


def parts(records: Records) -> dict[str, int]:
    found = [line.part for line in record_values(records).values()]
    return {part: found.count(part) for part in sorted(set(found))}


# 2016 ------------------------------------------------------------------------------------------------------------


@PACKED
def test_2016_labels_as_words_and_numbers(packed: bool, tmp_path: Path) -> None:
    records = open_archive(archives.isic2016(tmp_path, packed=packed)).require()
    assert records.task == "melanoma"
    assert records.classes == ("not_melanoma", "melanoma")
    assert parts(records) == {"test": 6, "train": 6}
    for first in (0, 50):
        expected = ["not_melanoma", "not_melanoma", "melanoma"] * 2
        assert [labels(records)[f"ISIC_{first + turn:07d}"] for turn in range(6)] == expected
    assert "means melanoma" in records.layout.notes[0]
    assert records.layout.grouped_by is None


def test_2016_refuses_tasks_other_than_melanoma(tmp_path: Path) -> None:
    path = archives.isic2016(tmp_path)
    with pytest.raises(UsageError, match=r"`task=malignancy`: class not_melanoma.*use `task=melanoma`"):
        open_archive(path, task="malignancy")
    with pytest.raises(UsageError, match="`task=diagnosis`: classes not_melanoma, melanoma"):
        open_archive(path, task="diagnosis")
    assert record_values(open_archive(path, task="melanoma")) == record_values(open_archive(path))


def test_2016_training_part_with_an_unknown_label(tmp_path: Path) -> None:
    path = archives.isic2016(tmp_path, change=archives.set_cells("ISIC_0000001", label="beningn"))
    (path / "ISBI2016_ISIC_Part3_Test_GroundTruth.csv").unlink()
    records = open_archive(path)
    assert parts(records) == {"train": 5}
    assert records.faults.counts == {"unknown label": 1, "image without row": 6}
    with pytest.raises(ArchiveError, match=r"ISIC_0000001 \('beningn'\); the classes are not_melanoma, melanoma"):
        records.require()


def test_2016_part_3b_has_masks(tmp_path: Path) -> None:
    path = archives.isic2016(tmp_path)
    table = path / "ISBI2016_ISIC_Part3_Training_GroundTruth.csv"
    table.rename(path / "ISBI2016_ISIC_Part3B_Training_GroundTruth.csv")
    members = {"ISIC_0000001.jpg": archives.make_jpeg(1), "ISIC_0000001_Segmentation.png": archives.make_mask(1)}
    archives.write(path, {}, {"ISBI2016_ISIC_Part3B_Training_Data": members}, packed=True)
    records = open_archive(path).require()
    assert [records.image_id(row) for row in range(12) if records.read_mask(row)] == ["ISIC_0000001"]
    assert records.faults.counts == {"two files": 1}


def test_real_isic2016(real_data: Path) -> None:
    records = open_archive(real_data / "isic2016").require()
    assert records.class_counts() == {"not_melanoma": 270, "melanoma": 83}
    assert not len(records.faults)
    assert set(records.table["part"].tolist()) == {0}


# 2017 ------------------------------------------------------------------------------------------------------------


@PACKED
def test_2017_classes_patients_and_parts(packed: bool, tmp_path: Path) -> None:
    records = open_archive(archives.isic2017(tmp_path, packed=packed)).require()
    assert records.classes == ("mel", "nv", "sk")
    assert parts(records) == {"test": 6, "train": 6, "validation": 6}
    assert list(labels(records).values()) == ["mel", "sk", "nv"] * 6
    assert not len(records.faults)  # superpixels are no images
    people = {image: (line.age, line.sex) for image, line in record_values(records).items()}
    assert people["ISIC_0000000"] == (45.0, "female")
    assert people["ISIC_0000105"] == (None, "female")  # "unknown"


def test_2017_without_metadata_and_training_part(tmp_path: Path) -> None:
    path = archives.isic2017(tmp_path, people=False)
    (path / "ISIC-2017_Training_Part3_GroundTruth.csv").unlink()
    records = open_archive(path).require()
    assert parts(records) == {"test": 6, "validation": 6}
    assert {(line.age, line.sex) for line in record_values(records).values()} == {(None, "")}


def test_2017_ambiguous_labels_are_an_error(tmp_path: Path) -> None:
    both = archives.set_cells("ISIC_0000000", seborrheic_keratosis="1.0")
    empty = archives.set_cells("ISIC_0000001", melanoma="", seborrheic_keratosis="")
    records = open_archive(archives.isic2017(tmp_path, change=lambda line: both(empty(line) or line)))
    details = {fault.image_id: fault.detail for fault in records.faults}
    assert details == {"ISIC_0000000": "'melanoma and seborrheic_keratosis'", "ISIC_0000001": "'no column marked'"}


# 2018 ------------------------------------------------------------------------------------------------------------


@PACKED
def test_2018_labels_lesions_and_parts(packed: bool, tmp_path: Path) -> None:
    records = open_archive(archives.isic2018(tmp_path, packed=packed)).require()
    assert records.classes == archives.SEVEN
    assert parts(records) == {"test": 4, "train": 10, "validation": 5}
    lines = record_values(records)
    for number, lesion, label in archives.make_lesions(7):
        assert lines[f"ISIC_{number:07d}"][:2] == (label, lesion)
    assert lines["ISIC_0034321"].group == "ISIC_0034321"
    assert records.layout.grouped_by == "lesion"


def test_2018_synthetic_test_image_is_left_out(tmp_path: Path) -> None:
    records = open_archive(archives.isic2018(tmp_path)).require()
    assert "ISIC_0035068" not in record_values(records)
    assert ("a synthetic image without weight in the official score", -1) in records.flow
    assert not len(records.faults)


def test_2018_without_lesion_groupings(tmp_path: Path) -> None:
    records = open_archive(archives.isic2018(tmp_path, groupings=False)).require()
    assert records.layout.grouped_by is None
    assert all(line.group == image for image, line in record_values(records).items())


def test_2018_validation_images_without_labels(tmp_path: Path) -> None:
    path = archives.isic2018(tmp_path)
    (path / "ISIC2018_Task3_Validation_GroundTruth.zip").unlink()
    records = open_archive(path).require()
    assert parts(records) == {"test": 4, "train": 10}
    assert records.faults.counts == {"image without row": 5}


# 2019 ------------------------------------------------------------------------------------------------------------


@PACKED
@pytest.mark.parametrize("downsampled", ["_downsampled", ""])
def test_2019_labels_lesions_patients_and_parts(packed: bool, downsampled: str, tmp_path: Path) -> None:
    records = open_archive(archives.isic2019(tmp_path, packed=packed, downsampled=downsampled)).require()
    assert records.classes == archives.EIGHT
    assert parts(records) == {"test": 8, "train": 16}
    lines = record_values(records)
    assert lines["ISIC_0000003_downsampled"].label == archives.EIGHT[3]
    assert lines["ISIC_0000004"][:6] == ("mel", "BCN_0000002", "", 34.0, "anterior torso", "train")
    assert lines["ISIC_0000005"].group == "BCN_0000002"
    assert lines["ISIC_0000006"].group == "ISIC_0000006"  # missing
    assert lines["ISIC_0000000"].age is None
    assert not len(records.faults)


def test_2019_unknown_class_is_left_out(tmp_path: Path) -> None:
    records = open_archive(archives.isic2019(tmp_path)).require()
    assert records.flow == (("rows in the table", 27), ("unknown diagnosis", -3), ("records", 24))


@PACKED
def test_2019_without_lesion_ids(packed: bool, tmp_path: Path) -> None:
    records = open_archive(archives.isic2019(tmp_path, packed=packed, lesions=False)).require()
    assert records.layout.grouped_by is None


def test_2019_test_images_without_labels(tmp_path: Path) -> None:
    path = archives.isic2019(tmp_path)
    (path / "ISIC_2019_Test_GroundTruth.csv").unlink()
    (path / "ISIC_2019_Training_Metadata.csv").unlink()
    records = open_archive(path).require()
    assert parts(records) == {"train": 16}
    assert records.faults.counts == {"image without row": 9}


def test_2019_weight_columns_and_ambiguous_labels(tmp_path: Path) -> None:
    weights = archives.set_cells(score_weight="1.0", validation_weight="0.0")
    two = archives.set_cells("ISIC_0000000", MEL="1.0")
    records = open_archive(archives.isic2019(tmp_path, change=lambda line: weights(two(line) or line)))
    assert [(fault.image_id, fault.detail) for fault in records.faults] == [("ISIC_0000000", "'ak and mel'")]


def test_2019_without_a_column_for_unknown(tmp_path: Path) -> None:
    path = archives.isic2019(
        tmp_path, images=8, change=lambda line: {name: line[name] for name in line if name != "UNK"}
    )
    (path / "ISIC_2019_Test_GroundTruth.csv").unlink()
    assert open_archive(path).require().class_counts() == dict.fromkeys(archives.EIGHT, 1)


def test_2019_malignancy_task(tmp_path: Path) -> None:
    counts = open_archive(archives.isic2019(tmp_path), task="malignancy").class_counts()
    assert counts == {"benign": 12, "malignant": 12}


# 2020 ------------------------------------------------------------------------------------------------------------


@PACKED
@pytest.mark.parametrize("version", ["", "_v2"])
def test_2020_labels_and_patients(packed: bool, version: str, tmp_path: Path) -> None:
    records = open_archive(archives.isic2020(tmp_path, packed=packed, version=version, duplicates=())).require()
    assert (records.task, records.classes) == ("melanoma", ("not_melanoma", "melanoma"))
    assert records.class_counts() == {"not_melanoma": 9, "melanoma": 3}
    assert records.layout.grouped_by == "patient"
    assert record_values(records)["ISIC_0015722"][:6] == ("melanoma", "IP_0000001", "female", 48.0, "torso", "")
    assert "means melanoma" in records.layout.notes[0]


@PACKED
def test_2020_duplicates_merge_the_groups_of_their_patients(packed: bool, tmp_path: Path) -> None:
    records = open_archive(archives.isic2020(tmp_path, packed=packed, duplicates=((6, 3), (0, 3), (8, 8)))).require()
    groups = [
        line.group for line in record_values(records).values()
    ]  # patients 0, 1 and 3 share copies, 2, 4 and 5 do not
    assert groups == [f"IP_000000{patient}" for patient in (0, 0, 0, 0, 2, 2, 0, 0, 4, 4, 5, 5)]


def test_2020_duplicates_with_suffixes_or_missing_images(tmp_path: Path) -> None:
    path = archives.isic2020(tmp_path)
    lines = ["image_name_1,image_name_2", "ISIC_0015719.jpg,isic_0015723", "ISIC_0015719,ISIC_9999999", ""]
    (path / "ISIC_2020_Training_Duplicates.csv").write_text("\n".join(lines))
    groups = [line.group for line in record_values(open_archive(path).require()).values()]
    assert groups[4] == groups[0] == "IP_0000000"
    assert len(set(groups)) == 5


def test_2020_duplicates_without_patients_are_grouped(tmp_path: Path) -> None:
    nobody = archives.set_cells(patient_id="")
    records = open_archive(archives.isic2020(tmp_path, version="", change=nobody, duplicates=((2, 5),)))
    groups = [line.group for line in record_values(records).values()]
    assert groups[2] == groups[5] == "ISIC_0015721"
    assert len(set(groups)) == 11
    lines = record_values(open_archive(archives.isic2020(tmp_path / "v2", change=nobody, duplicates=())))
    assert lines["ISIC_0015720"].group == "IL_0000001"


def test_2020_newer_table_takes_precedence(tmp_path: Path) -> None:
    archives.isic2020(tmp_path, version="", change=archives.set_cells(target="0"))
    records = open_archive(archives.isic2020(tmp_path)).require()
    assert records.class_counts()["melanoma"] == 3


def test_2020_unlabelled_test_images_are_left_out(tmp_path: Path) -> None:
    path = archives.isic2020(tmp_path)
    test = {f"ISIC_2020_Test_Input/ISIC_{number:07d}.jpg": archives.make_jpeg(number) for number in range(52, 55)}
    archives.write(
        path, {"ISIC_2020_Test_Metadata.csv": b"image,patient\n"}, {"ISIC_2020_Test_JPEG": test}, packed=True
    )
    records = open_archive(path).require()
    assert len(records) == 12
    assert records.faults.counts == {"image without row": 3}
