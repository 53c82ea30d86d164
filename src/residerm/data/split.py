"""Split an archive into training, validation and test parts, stored in a file.

Splits are by lesion (or patient) and stratified by class: every lesion is in one part only, which is asserted and
documented in `splits.json` next to `splits.csv`. Within a class, lesions are assigned in order of their number of
images, so that the fractions hold for images as well as for lesions. The same seed gives the same bytes.

    residerm data split PATH --out FOLDER
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from residerm.config import SplitOptions
from residerm.data.archives.records import PARTS, Records
from residerm.documents import DocumentError
from residerm.errors import ArchiveError, UsageError, listed, nearest, shortened
from residerm.files import new_folder
from residerm.runs import PartCounts, SplitProof, SplitRow, read_splits, split_bytes

_NEEDED = "a split needs the columns image_id and part, and one part for each image"
TRAIN, VALIDATION, TEST = range(3)


@dataclass(frozen=True)
class Split:
    """The part of every record, and a proof of how well the parts are separated."""

    parts: np.ndarray  # int8, an index into PARTS for each record
    folds: np.ndarray | None  # int8, the fold of each record, if folds were requested
    proof: SplitProof

    def rows(self, part: int) -> np.ndarray:
        """The records of one part."""
        return np.flatnonzero(self.parts == part)

    @property
    def leaking(self) -> int:
        """The number of test images whose lesion is also in the training part."""
        return self.proof.test_images_with_lesion_in_training

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks to show with every score on this split."""
        group = self.proof.grouped_by
        if group is None:
            # Parts from a file may have been split by lesion elsewhere.
            by_image = ", so the split is by image" if self.proof.options.split in ("lesion", "random") else ""
            return (
                f"The archive does not name lesions{by_image}: photographs of one lesion may be in several parts "
                "(`residerm data check` looks for copies).",
            )
        if not self.proof.leaks:
            return (f"No {group} is in two parts (asserted).",)
        images = self.proof.parts["test"].images
        return (
            f"{self.leaking:,} of {images:,} test images ({self.leaking / max(images, 1):.0%}) show a {group} that is "
            "also in the training part: scores on this split are better than on new patients.",
        )


def divide(records: Records, options: SplitOptions = SplitOptions()) -> Split:
    """Split records according to the options."""
    _refuse_unusable(records, options)
    folds = None
    if options.split == "archive":
        parts = _archive_parts(records, options)
    elif options.split in ("lesion", "random"):
        groups = records.groups if options.split == "lesion" else records.table["image_id"]
        parts, folds = _assigned(records, groups, options)
    else:
        parts = _read_parts(Path(options.split), records)
    split = Split(parts, folds, _proof(records, parts, folds, options))
    if options.split == "lesion":
        # Anything else would be a bug.
        assert not split.proof.leaks, f"a lesion is in two parts: {split.proof.shared_groups}"
    return split


def write_split(split: Split, records: Records, folder: Path) -> Path:
    """Write `splits.csv` and its proof into a new folder."""
    with new_folder(folder) as partial:
        (partial / "splits.csv").write_bytes(table(records, split.parts, split.folds))
        split.proof.write(partial / "splits.json")
    return folder


def table(records: Records, parts: np.ndarray, folds: np.ndarray | None) -> bytes:
    """The bytes of `splits.csv`; their SHA-256 identifies the split."""

    def rows() -> Iterator[SplitRow]:
        for row in range(len(records)):
            fold = None if folds is None else int(folds[row])
            label = records.classes[records.labels[row]]
            yield SplitRow(records.image_id(row), records.group(row), label, PARTS[parts[row]], fold)

    return split_bytes(rows(), folds=folds is not None)


def _refuse_unusable(records: Records, options: SplitOptions) -> None:
    if options.split not in ("lesion", "random", "archive") and not options.split.endswith(".csv"):
        hint = nearest(options.split, ("lesion", "random", "archive"))
        raise UsageError(f"`split={options.split}`: use lesion, random, archive, or the path of a splits.csv.{hint}")
    if options.test + options.validation >= 1:
        raise UsageError("`test` and `validation` together leave nothing to train on: their sum must be below 1")
    fold = options.one_fold
    if options.folds is not None and fold >= options.folds:
        raise UsageError(f"`fold={fold}`: with `folds={options.folds}` the folds are 0 to {options.folds - 1}")
    present = [name for name, count in records.class_counts().items() if count]
    if len(present) < 2:
        raise ArchiveError(
            f"{records.tree.path} contains only one class ({listed(present)}); "
            "add images of another class, or choose another `task`"
        )


def _assigned(records: Records, groups: np.ndarray, options: SplitOptions) -> tuple[np.ndarray, np.ndarray | None]:
    """Assign groups to parts; with folds, one fold is the test part, and validation is taken from the others."""
    random = np.random.default_rng(options.split_seed)
    if options.folds is None:
        fractions = np.array([1 - options.test - options.validation, options.validation, options.test])
        return _distribute(records, groups, fractions, random, options), None
    folds = _distribute(records, groups, np.full(options.folds, 1 / options.folds), random, options)
    parts = np.where(folds == options.one_fold, np.int8(TEST), np.int8(TRAIN))
    return _take_validation(records, groups, parts, options), folds


def _take_validation(records: Records, groups: np.ndarray, parts: np.ndarray, options: SplitOptions) -> np.ndarray:
    """Move whole groups from the training part to the validation part, until it has its fraction of all images."""
    training = np.flatnonzero(parts == TRAIN)
    fraction = min(options.validation * len(parts) / max(len(training), 1), 0.5)
    random = np.random.default_rng([options.split_seed, options.one_fold])
    moved = _distribute(records, groups, np.array([1 - fraction, fraction]), random, options, training)
    carved = parts.copy()
    carved[training[moved == 1]] = VALIDATION
    return carved


def _distribute(
    records: Records,
    groups: np.ndarray,
    fractions: np.ndarray,
    random: np.random.Generator,
    options: SplitOptions,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Distribute the groups of each class over subsets of these fractions; return the subset of each row."""
    labels = records.labels if rows is None else records.labels[rows]
    _, member = np.unique(groups if rows is None else groups[rows], return_inverse=True)
    sizes = np.bincount(member)
    strata = _rarest_class(labels, member, len(records.classes))
    subsets = np.zeros(len(sizes), dtype=np.int8)
    for label in np.unique(strata):
        own = np.flatnonzero(strata == label)
        if len(own) < np.count_nonzero(fractions):
            raise ArchiveError(_too_few(records, label, len(own), int(np.count_nonzero(fractions)), options))
        shuffled = random.permutation(own)
        largest_first = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
        subsets[largest_first] = _evenly(len(own), fractions, random)
    return subsets[member]


def _rarest_class(labels: np.ndarray, member: np.ndarray, classes: int) -> np.ndarray:
    """The class for stratifying each group: if a patient has several, the one with the fewest images."""
    by_count = np.argsort(np.bincount(labels, minlength=classes), kind="stable")
    rank = np.empty(classes, dtype=np.int64)
    rank[by_count] = np.arange(classes)
    lowest = np.full(member.max(initial=-1) + 1, classes)
    np.minimum.at(lowest, member, rank[labels])
    return by_count[lowest]


def _evenly(count: int, fractions: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A sequence of subsets in which each has its exact fraction, spread evenly over the sequence."""
    subsets = np.repeat(np.arange(len(fractions)), _integer_counts(count, fractions))
    places = [
        (np.arange(own) + random.random(own)) / own for own in np.bincount(subsets, minlength=len(fractions)) if own
    ]
    return subsets[np.argsort(np.concatenate(places), kind="stable")].astype(np.int8)


def _integer_counts(count: int, fractions: np.ndarray) -> np.ndarray:
    """Integers that sum to `count`, each within one of its fraction, and none 0 unless its fraction is."""
    exact = count * fractions
    whole: np.ndarray = np.maximum(np.floor(exact + 1e-9).astype(int), fractions > 0)
    while whole.sum() != count:
        step = 1 if whole.sum() < count else -1
        candidates = np.where((fractions > 0) & ((step > 0) | (whole > 1)), step * (exact - whole), -np.inf)
        whole[np.argmax(candidates)] += step
    return whole


def _too_few(records: Records, label: int, groups: int, subsets: int, options: SplitOptions) -> str:
    thing = "image" if options.split == "random" else records.layout.grouped_by or "image"
    return (
        f"class {records.classes[label]} has {groups} {thing}{'s' * (groups != 1)}, too few for all {subsets} parts "
        f"of the split: leave it out with `without={records.classes[label]}`"
        + ("" if options.folds or options.validation == 0 else ", or omit the validation part (`validation=0`)")
    )


def _archive_parts(records: Records, options: SplitOptions) -> np.ndarray:
    """The archive's own parts; if it has no validation part, one is taken from its training part."""
    parts = np.array(records.table["part"])
    if (parts < 0).any() or not (parts == TRAIN).any() or not (parts == TEST).any():
        raise ArchiveError(
            f"`split=archive`: {records.layout.title} at {records.tree.path} does not assign every image to a training "
            "or test part; use `split=lesion`"
        )
    if (parts == VALIDATION).any() or options.validation == 0:
        return parts
    return _take_validation(records, records.groups, parts, options)


def _read_parts(path: Path, records: Records) -> np.ndarray:
    """The parts from a `splits.csv`, which must list every record."""
    try:
        given = {row.image_id: row.part for row in read_splits(path, _NEEDED)}
    except DocumentError as error:
        raise ArchiveError(f"`split`: {error}") from error
    unknown = sorted(set(given.values()) - set(PARTS))
    if unknown:
        raise ArchiveError(
            f"`split={path}`: unknown part {listed(map(shortened, unknown))}; the parts are {', '.join(PARTS)}"
        )
    missing = [name for row in range(len(records)) if (name := records.image_id(row)) not in given]
    if missing:
        raise ArchiveError(
            f"`split={path}` does not name {len(missing):,} of the {len(records):,} images ({listed(missing)}): "
            "it was made for another archive or task"
        )
    return np.array([PARTS.index(given[records.image_id(row)]) for row in range(len(records))], dtype=np.int8)


def _proof(records: Records, parts: np.ndarray, folds: np.ndarray | None, options: SplitOptions) -> SplitProof:
    """The content of `splits.json`: the counts, the lesions in two parts, and the hash of the file."""
    groups = {name: set(records.groups[parts == code].tolist()) for code, name in enumerate(PARTS)}
    test_groups = records.groups[parts == TEST]
    leaking = np.isin(test_groups, records.groups[parts == TRAIN]) if len(test_groups) else np.zeros(0, bool)
    return SplitProof(
        sha256=hashlib.sha256(table(records, parts, folds)).hexdigest(),
        options=options,
        grouped_by=records.layout.grouped_by,
        parts={name: _part_counts(records, parts == code) for code, name in enumerate(PARTS)},
        shared_groups={f"{a} and {b}": len(groups[a] & groups[b]) for a, b in combinations(PARTS, 2)},
        test_images_with_lesion_in_training=int(leaking.sum()),
    )


def _part_counts(records: Records, mine: np.ndarray) -> PartCounts:
    counts = np.bincount(records.labels[mine], minlength=len(records.classes))
    return PartCounts(
        images=int(mine.sum()),
        groups=len(np.unique(records.groups[mine])),
        classes=dict(zip(records.classes, counts.tolist(), strict=True)),
    )
