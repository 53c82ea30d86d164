"""Records: every row has exactly one outcome, and memory does not grow with their number."""

import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import archives
import numpy as np
import pytest
from hypothesis import given, strategies as st
from record_values import record_values

from residerm.data.archives import open_archive
from residerm.data.archives.join import assemble
from residerm.data.archives.records import BLOCKING, Layout, Records, Row
from residerm.errors import ArchiveError, UsageError
from residerm.storage.tree import Tree

# What happens to each row, against an oracle in plain Python ------------------------------------------------------

FILES = {"a": 1, "b": 1, "c": 1, "copied": 1, "other": 1}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """Five images, of which one is in a second folder too and one has a different file there."""
    folder = tmp_path_factory.mktemp("images")
    first = {f"{name}.jpg": archives.make_jpeg(seed) for seed, name in enumerate(FILES)}
    second = {
        "copied.jpg": first["copied.jpg"],
        "other.jpg": archives.make_jpeg(9, (48, 36)),
        "alone.jpg": archives.make_jpeg(10),
    }
    return Tree(archives.write(folder, {}, {"one": first, "two": second}, packed=False))


def layout_of(rows: list[Row]) -> Layout:
    return Layout(
        name="test",
        title="test",
        licence="none",
        citation="none",
        recognises=lambda _: True,
        rows=lambda _: iter(rows),
        images=lambda tree: ((number, Path(name).stem) for number, name in tree.images),
        classes=("mel", "nv"),
        grouped_by="lesion",
    )


def outcomes(rows: list[Row]) -> Iterator[str]:
    for place, row in enumerate(rows):
        twins = [other for other in rows if other.image_id == row.image_id]
        codes = {label if label in ("mel", "nv", None) else "?" for label in (twin.label for twin in twins)}
        if len(codes) > 1 or len({twin.group for twin in twins}) > 1:
            yield "contradicting rows"
        elif any(other.image_id == row.image_id for other in rows[:place]):
            yield "repeated row"
        elif row.label is None:
            yield "unknown diagnosis"
        elif row.label not in ("mel", "nv"):
            yield "unknown label"
        elif row.image_id not in FILES:
            yield "row without image"
        elif row.image_id == "other":
            yield "two different files"
        else:
            yield "record"


rows_of_any_kind = st.lists(
    st.builds(
        Row,
        image_id=st.sampled_from([*FILES, "missing", ""]),
        label=st.sampled_from(["mel", "nv", "mel", "nv", None, "", "wrong"]),
        group=st.sampled_from(["", "", "one", "two"]),
        age=st.sampled_from([None, 0.0, 55.0]),
        sex=st.sampled_from(["male", "F", "unknown"]),
        site=st.just("back"),
        part=st.sampled_from(["", "train"]),
        key=st.just(""),
    ),
    max_size=12,
)


@given(rows=rows_of_any_kind)
def test_every_row_has_exactly_one_outcome(tree: Tree, rows: list[Row]) -> None:
    expected = list(outcomes(rows))
    kept = [row for row, fate in zip(rows, expected, strict=True) if fate == "record"]
    if not kept:
        with pytest.raises(ArchiveError):
            assemble(tree, layout_of(rows))
        return
    records = assemble(tree, layout_of(rows))
    assert [records.image_id(row) for row in range(len(records))] == [row.image_id for row in kept]
    assert [records.classes[label] for label in records.labels] == [row.label for row in kept]
    assert [records.group(row) for row in range(len(records))] == [row.group or row.image_id for row in kept]
    assert np.array_equal(
        records.table["age"], [np.nan if row.age is None else row.age for row in kept], equal_nan=True
    )
    assert records.layout.grouped_by == ("lesion" if any(row.group for row in kept) else None)

    losses = Counter(fate for fate in expected if fate != "record")
    assert records.flow[0] == ("rows in the table", len(rows))
    assert dict(records.flow[1:-1]) == {fate: -count for fate, count in losses.items()}
    assert records.flow[-1] == ("records", len(kept))
    assert sum(count for _, count in records.flow[:-1]) == len(records)

    faults = dict(records.faults.counts)
    named = {row.image_id for row in rows}
    assert faults.pop("image without row", 0) == len({*FILES, "alone"} - named)
    assert faults.pop("two files") == 1
    contradicted = {row.image_id for row, fate in zip(rows, expected, strict=True) if fate == "contradicting rows"}
    assert faults.pop("contradicting rows", 0) == len(contradicted)
    assert faults == {fate: losses[fate] for fate in losses if fate not in ("unknown diagnosis", "contradicting rows")}
    assert Counter(fault.kind for fault in records.faults) == records.faults.counts


@given(rows=rows_of_any_kind)
def test_faulty_rows_raise_or_are_skipped(tree: Tree, rows: list[Row]) -> None:
    kinds = set(outcomes(rows))
    if "record" not in kinds:
        return
    records = assemble(tree, layout_of(rows))
    assert records.require("skip") is records
    if kinds & set(BLOCKING):
        with pytest.raises(ArchiveError, match="`on_bad_image=skip`"):
            records.require()
    else:
        assert records.require() is records


def test_group_with_the_name_of_an_image(tree: Tree) -> None:
    records = assemble(tree, layout_of([Row("a", "nv"), Row("b", "nv", group="a")]))
    assert records.groups.tolist() == [b"a", b"a"]  # together on one side of a split: the safe way


def test_message_is_one_line_for_any_number_of_faults(tree: Tree) -> None:
    records = assemble(tree, layout_of([Row("a", "nv"), *(Row(f"lost-{number}", "nv") for number in range(1234))]))
    with pytest.raises(ArchiveError) as failure:
        records.require()
    assert "1,234 × row without image: lost-0 (no file of that name), " in str(failure.value)
    assert "and 1,231 more" in str(failure.value)
    assert len(str(failure.value)) < 500


# Tasks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return open_archive(archives.ham10000(tmp_path))


def test_task_maps_labels_only(records: Records) -> None:
    malignancy = records.for_task("malignancy")
    before, after = record_values(records), record_values(malignancy)
    malignant = {"akiec", "bcc", "mel"}
    assert {image: line._replace(label="") for image, line in before.items()} == {
        image: line._replace(label="") for image, line in after.items()
    }
    assert all((after[image].label == "malignant") == (before[image].label in malignant) for image in before)
    assert malignancy.mapping is not None
    assert malignancy.mapping.name == "malignancy"
    assert malignancy.flow == (*records.flow, ("records for malignancy", 21))
    assert record_values(open_archive(records.tree.path, task="malignancy")) == after


def test_task_of_the_archive_changes_nothing(records: Records) -> None:
    assert records.for_task(None) is records
    assert records.for_task("diagnosis") is records


def test_excluded_classes_are_counted(records: Records) -> None:
    fewer = records.for_task(None, ("nv", "vasc"))
    assert fewer.classes == ("akiec", "bcc", "bkl", "df", "mel")
    assert fewer.class_counts() == dict.fromkeys(fewer.classes, 3)
    assert fewer.flow[-2:] == (("left out by without=nv without=vasc", -6), ("records for diagnosis", 15))
    assert {line.label for line in record_values(fewer).values()} == set(fewer.classes)
    melanoma = records.for_task("melanoma", ("nv",))
    assert melanoma.class_counts() == {"not_melanoma": 15, "melanoma": 3}


def test_excluding_all_classes_is_refused(records: Records) -> None:
    with pytest.raises(UsageError, match="leaves none of the 21 images"):
        records.for_task(None, records.classes)


def test_mapping_a_mapped_task_is_refused(records: Records) -> None:
    malignancy = records.for_task("malignancy")
    assert malignancy.for_task("malignancy") is malignancy
    for task in ("diagnosis", "melanoma"):
        with pytest.raises(UsageError, match=f"`task={task}`"):
            malignancy.for_task(task)


# Size ------------------------------------------------------------------------------------------------------------

_PRIVATE_MEMORY = """
import re, sys
from pathlib import Path
from residerm.data.archives import open_archive
records = open_archive(sys.argv[1], task="malignancy")
lost = sum(fault.kind == "row without image" for fault in records.faults)
print(len(records), lost, re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def open_in_subprocess(path: Path) -> list[int]:
    """Records, rows without image, and private memory in kB after opening an archive in a new process."""
    script = [sys.executable, "-c", _PRIVATE_MEMORY, str(path)]
    return [int(word) for word in subprocess.run(script, capture_output=True, text=True, check=True).stdout.split()]


def many(folder: Path, rows: int) -> Path:
    """HAM10000 with `rows` rows, half of them without an image."""
    folder.mkdir()
    lines = [
        {"lesion_id": f"HAM_{row // 2:07d}", "image_id": f"ISIC_{row:07d}", "dx": "nv", "age": row % 80, "sex": "male"}
        for row in range(rows)
    ]
    (folder / "HAM10000_metadata.csv").write_bytes(archives.make_table(lines))
    with zipfile.ZipFile(folder / "HAM10000_images_part_1.zip", "w") as archive:
        for row in range(0, rows, 2):
            archive.writestr(f"ISIC_{row:07d}.jpg", b"")
    return folder


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="private memory is read from Linux's /proc")
def test_private_memory_is_independent_of_rows(tmp_path: Path) -> None:
    *small, little = open_in_subprocess(many(tmp_path / "small", 2_000))
    *large, much = open_in_subprocess(many(tmp_path / "large", 20_000))
    assert small == [1_000, 1_000]
    assert large == [10_000, 10_000]
    assert much < 1.05 * little
