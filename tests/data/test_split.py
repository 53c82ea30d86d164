"""Splits: stratified, grouped by lesion, reproducible, and written with their proof."""

import csv
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from residerm.config import SplitOptions
from residerm.data.archives.layouts import ham10000
from residerm.data.archives.records import PARTS, Records
from residerm.data.split import TEST, TRAIN, VALIDATION, divide, table, write_split
from residerm.errors import ArchiveError, ResidermError, UsageError, WriteError
from residerm.storage.tree import Tree

LESIONS = {"nv": 400, "mel": 60, "bkl": 50, "bcc": 30, "akiec": 20, "vasc": 9, "df": 7}


def records_of(lesions: dict[str, int], folder: Path, *, seed: int = 0, parts: bool = False) -> Records:
    """Records of a HAM10000 with these numbers of lesions, a third of which have two or three images."""
    random = np.random.default_rng(seed)
    classes = ham10000.LAYOUT.classes or ()
    rows = [
        (f"ISIC_{random.integers(10**7):07d}", f"HAM_{label}{lesion:05d}", classes.index(label), random.integers(3))
        for label, count in lesions.items()
        for lesion in range(count)
        for _ in range(random.choice([1, 1, 2, 3]))
    ]
    types = [("image_id", "S12"), ("group", "S14"), ("label", "i2"), ("part", "i1"), ("image", "i4")]
    own = np.array([(*row[:3], row[3] if parts else -1, number) for number, row in enumerate(rows)], dtype=types)
    random.shuffle(own)
    return Records(ham10000.LAYOUT, Tree(folder), own, classes, ("",), ("",), "diagnosis")


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return records_of(LESIONS, tmp_path)


def lesion_fractions(records: Records, parts: np.ndarray, part: int, label: int) -> tuple[int, int]:
    mine = records.labels == label
    return len(np.unique(records.groups[mine & (parts == part)])), len(np.unique(records.groups[mine]))


def test_split_keeps_lesions_together(records: Records) -> None:
    parts = divide(records, SplitOptions()).parts
    for lesion in np.unique(records.groups):
        assert len(set(parts[records.groups == lesion])) == 1


@pytest.mark.parametrize("seed", range(5))
def test_split_is_stratified_by_class(records: Records, seed: int) -> None:
    parts = divide(records, SplitOptions(split_seed=seed)).parts
    for label in range(7):
        for part, share in ((TEST, 0.2), (VALIDATION, 0.1), (TRAIN, 0.7)):
            own, total = lesion_fractions(records, parts, part, label)
            assert abs(own - share * total) <= 1


def test_split_has_the_given_fractions_of_images(records: Records) -> None:
    parts = divide(records, SplitOptions()).parts
    large = records.labels == records.classes.index("nv")
    assert (parts[large] == TEST).mean() == pytest.approx(0.2, abs=0.01)
    assert (parts[large] == VALIDATION).mean() == pytest.approx(0.1, abs=0.01)


def test_folds_are_disjoint_complete_and_stratified(records: Records) -> None:
    splits = [divide(records, SplitOptions(folds=5, fold=fold)) for fold in range(5)]
    assert (np.sum([split.parts == TEST for split in splits], axis=0) == 1).all()
    for split in splits:
        assert (split.folds == splits[0].folds).all()
        assert not split.proof.leaks
        for label in range(7):
            own, total = lesion_fractions(records, split.parts, TEST, label)
            assert abs(own - total / 5) <= 1
            own, total = lesion_fractions(records, split.parts, VALIDATION, label)
            assert abs(own - total / 10) <= 1


def test_split_without_test_part(records: Records) -> None:
    split = divide(records, SplitOptions(test=0))
    assert not len(split.rows(TEST))
    assert len(split.rows(TRAIN)) + len(split.rows(VALIDATION)) == len(records)
    assert not set(records.groups[split.rows(TRAIN)]) & set(records.groups[split.rows(VALIDATION)])


def test_random_split_counts_leaking_lesions(records: Records) -> None:
    split = divide(records, SplitOptions(split="random", validation=0))
    assert (split.parts == TEST).mean() == pytest.approx(0.2, abs=0.005)
    assert not (split.parts == VALIDATION).any()
    training = set(records.groups[split.parts == TRAIN])
    assert split.leaking == sum(group in training for group in records.groups[split.parts == TEST]) > 0
    assert f"{split.leaking:,} of" in split.remarks[0]


def test_split_is_reproducible(records: Records) -> None:
    def of(seed: int) -> bytes:
        split = divide(records, SplitOptions(split_seed=seed))
        return table(records, split.parts, split.folds)

    assert of(0) == of(0) != of(1)


def test_split_file_round_trip(records: Records, tmp_path: Path) -> None:
    split = divide(records, SplitOptions(split_seed=4))
    folder = write_split(split, records, tmp_path / "split")
    written = (folder / "splits.csv").read_bytes()
    proof = json.loads((folder / "splits.json").read_text())
    assert proof["sha256"] == hashlib.sha256(written).hexdigest()
    assert proof["shared_groups"] == {"train and validation": 0, "train and test": 0, "validation and test": 0}
    rows = list(csv.DictReader(io.StringIO(written.decode())))
    assert sum(row["part"] == "test" for row in rows) == proof["parts"]["test"]["images"]
    again = divide(records, SplitOptions(split=str(folder / "splits.csv")))
    assert (again.parts == split.parts).all()
    with pytest.raises(WriteError, match="already exists"):
        write_split(split, records, folder)
    assert (folder / "splits.csv").read_bytes() == written


def test_split_of_the_archive(tmp_path: Path) -> None:
    records = records_of(LESIONS, tmp_path, parts=True)
    split = divide(records, SplitOptions(split="archive"))
    assert (split.parts == records.table["part"]).all()
    assert split.leaking > 0  # drawn at random for each image, so that lesions are on both sides
    assert "also in the training part" in split.remarks[0]


def test_official_split_without_validation_part(tmp_path: Path) -> None:
    records = records_of(LESIONS, tmp_path, parts=True)
    records.table["part"][records.table["part"] == VALIDATION] = TRAIN
    split = divide(records, SplitOptions(split="archive"))
    assert (split.parts[records.table["part"] == TEST] == TEST).all()
    assert split.proof.shared_groups["train and validation"] == 0
    assert (split.parts == VALIDATION).mean() == pytest.approx(0.1, abs=0.02)


def test_split_keeps_patients_with_several_classes_together(tmp_path: Path) -> None:
    records = records_of({"nv": 300, "mel": 60}, tmp_path)
    records.table["group"] = [f"IP_{row % 90:04d}".encode() for row in range(len(records))]
    split = divide(records, SplitOptions())
    assert not split.proof.leaks
    for part in PARTS:
        assert split.proof.parts[part].classes["mel"] > 0


@settings(max_examples=40, deadline=None)
@given(
    lesions=st.dictionaries(st.sampled_from(sorted(LESIONS)), st.integers(3, 60), min_size=2),
    test=st.floats(0.05, 0.5),
    validation=st.floats(0.05, 0.4),
    seed=st.integers(0, 2**31),
)
def test_any_split_is_disjoint_with_every_class_in_every_part(
    tmp_path_factory: pytest.TempPathFactory, lesions: dict[str, int], test: float, validation: float, seed: int
) -> None:
    records = records_of(lesions, tmp_path_factory.mktemp("empty"), seed=seed)
    split = divide(records, SplitOptions(test=test, validation=validation, split_seed=seed))
    assert not split.proof.leaks
    for name in lesions:
        for part in PARTS:
            assert split.proof.parts[part].classes[name] > 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"split": "lesoin"}, UsageError, "`split=lesoin`: .* Did you mean lesion"),
        ({"test": 0.6, "validation": 0.4}, UsageError, "`test` and `validation`"),
        ({"folds": 5, "fold": 5}, UsageError, "folds are 0 to 4"),
        ({"split": "archive"}, ArchiveError, "`split=archive`: .* use `split=lesion`"),
        ({"split": "nowhere.csv"}, ArchiveError, "nowhere.csv cannot be read"),
    ],
)
def test_invalid_options_are_refused(
    records: Records, options: dict[str, object], error: type[ResidermError], message: str
) -> None:
    with pytest.raises(error, match=message):
        divide(records, SplitOptions.model_validate(options))


def test_class_with_one_lesion_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"class df has 1 lesion, .* `without=df`"):
        divide(records_of({"nv": 20, "df": 1}, tmp_path), SplitOptions())


def test_single_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="only one class"):
        divide(records_of({"nv": 20}, tmp_path), SplitOptions())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_id,part\nISIC_1,train\n", "does not name .* another archive"),
        (
            "image_id,part\nISIC_1,train\nISIC_1,test\n",
            "^`split`: .* has image ISIC_1 in two parts.* one part for each image$",
        ),
        ("image,part\nISIC_1,train\n", "columns image_id and part"),
        ("image_id,part\nISIC_1,trian\n", "unknown part 'trian'"),
        ("image_id,part\nISIC_1," + "9" * 5000 + "\n", "unknown part '9{50,80}…;"),
        ("", "columns image_id and part"),
    ],
)
def test_mismatching_split_file_is_refused(records: Records, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "splits.csv").write_text(text)
    with pytest.raises(ArchiveError, match=message):
        divide(records, SplitOptions(split=str(tmp_path / "splits.csv")))
