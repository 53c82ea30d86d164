"""Every layout is recognised, packed or unpacked, and read with its licence and citation."""

from dataclasses import replace
from pathlib import Path

import archives
import numpy as np
import pytest
from record_values import record_values

from residerm.data.archives import open_archive
from residerm.data.archives.layouts import LAYOUTS, PUBLISHED
from residerm.errors import ArchiveError, ResidermError, UsageError
from residerm.imaging import decode
from residerm.taxonomy import mapping_for

PACKABLE = [name for name in archives.ARCHIVES if name != "dermamnist"]


@pytest.mark.parametrize("name", archives.ARCHIVES)
def test_every_layout_is_recognised_and_complete(name: str, tmp_path: Path) -> None:
    records = open_archive(archives.ARCHIVES[name](tmp_path / "archive")).require()
    assert records.layout.name == name
    assert not [fault for fault in records.faults if fault.kind != "image without row"]
    assert len(records) > 1
    assert all(decode(records.read(row)).size for row in range(len(records)))


@pytest.mark.parametrize("name", PACKABLE)
def test_packing_does_not_change_records(name: str, tmp_path: Path) -> None:
    packed = open_archive(archives.ARCHIVES[name](tmp_path / "packed", packed=True))
    unpacked = archives.ARCHIVES[name](tmp_path / "deep" / "down", packed=False)
    whole = archives.zip_folder(tmp_path / "packed")
    for path in (unpacked, unpacked.parent if name in {layout.name for layout in PUBLISHED} else unpacked, whole):
        records = open_archive(path)
        assert records.layout.name == name
        assert record_values(records) == record_values(packed)
        assert records.flow == packed.flow
        assert records.classes == packed.classes


@pytest.mark.parametrize("name", archives.ARCHIVES)
def test_an_explicit_layout_gives_the_same_records(name: str, tmp_path: Path) -> None:
    path = archives.ARCHIVES[name](tmp_path / "archive")
    assert record_values(open_archive(path, layout=name)) == record_values(open_archive(path))


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name != "folders"])
def test_wrong_layout_error_names_the_path(name: str, tmp_path: Path) -> None:
    path = (archives.isic2016 if name == "isic2019" else archives.isic2019)(tmp_path / "archive")
    with pytest.raises(ResidermError) as failure:
        open_archive(path, layout=name)
    assert str(path) in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("name", "licence", "paper"),
    [
        ("ham10000", "CC BY-NC 4.0", "10.1038/sdata.2018.161"),
        ("isic2016", "CC0 1.0", "arXiv:1605.01397"),
        ("isic2017", "CC0 1.0", "arXiv:1710.05006"),
        ("isic2018", "CC BY-NC 4.0", "arXiv:1902.03368"),
        ("isic2019", "CC BY-NC 4.0", "arXiv:1908.02288"),
        ("isic2020", "CC BY-NC 4.0", "10.1038/s41597-021-00815-z"),
        ("dermamnist", "CC BY-NC 4.0", "10.1038/s41597-022-01721-8"),
        ("synthetic", "CC0 1.0", "drawn by residerm"),
    ],
)
def test_licence_and_citation(name: str, licence: str, paper: str) -> None:
    assert LAYOUTS[name].licence == licence
    assert paper in LAYOUTS[name].citation


@pytest.mark.parametrize("name", ["isic2018", "isic2019", "dermamnist"])
def test_archives_containing_ham10000_cite_it(name: str) -> None:
    assert "10.1038/sdata.2018.161" in LAYOUTS[name].citation


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("ham10000", "21 of its 10,015 images"),
        ("isic2016", "6 of its 900 training images, 6 of its 379 test images"),
        ("isic2017", "6 of its 2,000 training images, 6 of its 150 validation images, 6 of its 600 test images"),
        ("isic2018", "10 of its 10,015 training images, 5 of its 193 validation images, 5 of its 1,512 test images"),
        ("isic2019", "18 of its 25,331 training images, 9 of its 8,238 test images"),
        ("isic2020", "12 of its 33,126 images"),
        ("dermamnist", "14 of its 7,007 training images, 7 of its 1,003 validation images, 7 of its 2,005 test images"),
    ],
)
def test_a_part_of_a_published_archive_is_called_so(name: str, missing: str, tmp_path: Path) -> None:
    (sentence,) = open_archive(archives.ARCHIVES[name](tmp_path / "archive")).shortage
    assert sentence.startswith("This is a part of ")
    assert sentence.endswith(f": {missing}.")


def test_a_whole_archive_is_not_called_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archives.isic2019(tmp_path / "archive")
    layout = replace(
        LAYOUTS["isic2019"], published={"train": 18, "test": 9}
    )  # nine images of an unknown diagnosis count
    monkeypatch.setitem(LAYOUTS, "isic2019", layout)
    assert open_archive(path, layout="isic2019").shortage == ()
    for file in path.glob("ISIC_2019_Test_*"):
        file.unlink()
    assert open_archive(path, layout="isic2019").shortage == (
        "This is a part of ISIC 2019: none of its 9 test images.",
    )


@pytest.mark.parametrize("layout", PUBLISHED, ids=lambda layout: layout.name)
@pytest.mark.parametrize("task", ["diagnosis", "malignancy", "melanoma"])
def test_tasks_are_mapped_or_refused(layout, task: str) -> None:
    classes = layout.classes
    if "not_melanoma" in classes and task != "melanoma":
        with pytest.raises(UsageError, match=f"`task={task}`"):
            mapping_for(task, classes)
        return
    mapping = mapping_for(task, classes)
    assert np.array_equal(mapping.matrix(classes).sum(axis=1), np.ones(len(classes)))


def test_ambiguous_folders_require_a_layout(tmp_path: Path) -> None:
    archives.isic2016(tmp_path)
    archives.isic2020(tmp_path)
    with pytest.raises(ArchiveError, match=r"more than one archive \(isic2016, isic2020\).* `layout`"):
        open_archive(tmp_path)
    assert set(record_values(open_archive(tmp_path, layout="isic2020"))) == set(
        record_values(open_archive(archives.isic2020(tmp_path / "b")))
    )


def test_unknown_layout_error_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"`layout=ham1000`.*Did you mean ham10000"):
        open_archive(tmp_path, layout="ham1000")


def test_empty_folder_and_missing_path_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="contains no files: give the folder"):
        open_archive(tmp_path)
    with pytest.raises(ArchiveError, match="nowhere"):
        open_archive(tmp_path / "nowhere")


def test_images_without_labels_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(archives.make_jpeg(1))
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(ArchiveError, match=r"not a known archive \(2 files; notes.txt\).*give a CSV.*isic2018"):
        open_archive(tmp_path)


def test_nested_zips_are_refused(tmp_path: Path) -> None:
    archives.write(tmp_path, {}, {"download": {"images.zip": b"PK", "HAM10000_metadata.csv": b"a,b\n"}}, packed=True)
    with pytest.raises(ArchiveError, match=r"zips within a zip.*unpack the outer one"):
        open_archive(tmp_path / "download.zip")
