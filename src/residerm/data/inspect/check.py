"""Find the defects of an archive, as findings that name an image, its file and the problem.

    residerm data check PATH --out findings.csv

An `error` is certain, and prevents training or invalidates its results: missing or unreadable files, contradicting or
unknown labels, and the same image under two labels or in two parts of a split. A `warning` should be inspected. A
`note` is normal, such as similar photographs of one lesion.

Images are read once, in one thread per core. Intermediate results are memory-mapped, so that private memory grows only
with the number of findings.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np
from PIL import Image

from residerm.config import SplitOptions
from residerm.data.archives.records import PARTS, Records
from residerm.data.inspect.duplicates import SIDE, THUMBNAIL, Pair, find_duplicates, thumbnail
from residerm.data.split import divide
from residerm.errors import ArchiveError, ImageError
from residerm.imaging import decoded
from residerm.parallel import in_chunks
from residerm.progress import SILENT, Progress
from residerm.spreadsheet import Writer
from residerm.storage.scratch import paged

SEVERITIES = ("error", "warning", "note")
EXACT, NEAR = "exact copy", "near copy"
_WARNINGS = {
    "image without row", "two files", "one colour", "odd size", "very small", "empty mask", "odd mask size",
    "merged labels",
}  # fmt: skip
_REASONS = {"the file is empty": "empty image", "the image is cut short": "truncated image"}
_VERY_SMALL = 16  # pixels of the shorter side
_COMMON = 0.9  # of the images must have the same size for another to be reported
_MAY_BE_EXACT = 0.02  # distance below which two files may hold the same pixels
_ROWS_HASHED = 256  # at a time, to avoid a copy of the whole image
_SEEN = np.dtype([("digest", "u8"), ("width", "i4"), ("height", "i4")])


class Finding(NamedTuple):
    """A defect or a pair to inspect; each field is a column of the CSV, empty if it does not apply."""

    kind: str
    severity: str
    image_id: str
    other_id: str = ""
    distance: float | str = ""
    same_group: str = ""  # whether both are of the same lesion or patient: yes, no, or empty if unknown
    label: str = ""
    other_label: str = ""
    part: str = ""
    other_part: str = ""
    file: str = ""
    other_file: str = ""
    detail: str = ""


class CheckReportDict(TypedDict):
    """A report as plain data: the caveats about the archive, and the findings with their numbers by severity."""

    archive: str
    images: int
    masks: int
    split: str
    caveats: tuple[str, ...]
    errors: int
    warnings: int
    notes: int
    kinds: dict[str, int]
    findings: list[dict[str, str | float]]


@dataclass(frozen=True)
class CheckReport:
    """The findings, errors first, and the split that was used to find leaks."""

    archive: str
    images: int
    masks: int
    grouped_by: str | None
    findings: tuple[Finding, ...]
    split: str
    notes: tuple[str, ...] = ()  # caveats about the archive

    def count(self, severity: str) -> int:
        """Number of findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def kinds(self) -> dict[tuple[str, str], list[Finding]]:
        """The findings other than copies, by severity and kind."""
        kinds: dict[tuple[str, str], list[Finding]] = {}
        for finding in self.findings:
            if finding.kind not in (EXACT, NEAR):
                kinds.setdefault((finding.severity, finding.kind), []).append(finding)
        return kinds

    def copies(self) -> dict[tuple[str, str], tuple[int, int, int]]:
        """Numbers of copies, by kind and same_group: all, with different labels, and in two parts."""
        pairs = [finding for finding in self.findings if finding.kind in (EXACT, NEAR)]
        keys = Counter((pair.kind, pair.same_group) for pair in pairs)
        differ = Counter((pair.kind, pair.same_group) for pair in pairs if pair.label != pair.other_label)
        apart = Counter((pair.kind, pair.same_group) for pair in pairs if pair.part != pair.other_part)
        return {key: (count, differ[key], apart[key]) for key, count in sorted(keys.items())}

    def to_dict(self) -> CheckReportDict:
        """The report as plain data, for JSON."""
        return {
            "archive": self.archive,
            "images": self.images,
            "masks": self.masks,
            "split": self.split,
            "caveats": self.notes,
            "errors": self.count("error"),
            "warnings": self.count("warning"),
            "notes": self.count("note"),
            "kinds": dict(Counter(finding.kind for finding in self.findings)),
            "findings": [finding._asdict() for finding in self.findings],
        }


def check_archive(records: Records, options: SplitOptions, progress: Progress = SILENT) -> CheckReport:
    """Check every file of an archive, and find images that appear under two ids."""
    seen, thumbnails = paged(len(records), _SEEN), paged(len(records), THUMBNAIL)
    findings = _read_all(records, seen, thumbnails, progress)
    near = _near_copies(thumbnails, np.flatnonzero(seen["width"]), progress)
    findings += _faults(records)
    findings += [Finding("merged labels", _severity("merged labels"), "", detail=text) for text in records.merged]
    findings += _odd_sizes(records, seen)
    parts, split = _divided(records, options)
    findings += _copies(records, seen, near, parts)
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return CheckReport(
        archive=records.layout.title,
        images=len(records),
        masks=int((records.table["mask"] >= 0).sum()),
        grouped_by=records.layout.grouped_by,
        findings=tuple(findings),
        split=split,
        notes=records.notes,
    )


def write_findings(report: CheckReport, path: Path) -> None:
    """Write the findings as CSV, one per row."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        Writer(stream).rows([Finding._fields, *report.findings])


def _read_all(records: Records, seen: np.ndarray, thumbnails: np.ndarray, progress: Progress) -> list[Finding]:
    """Read every image and mask, and return their defects in the order of the records."""
    found: list[tuple[int, Finding]] = []

    def read(start: int, stop: int) -> None:
        for row in range(start, stop):
            found.extend((row, finding) for finding in _image(records, row, seen, thumbnails))
            if records.table["mask"][row] >= 0:
                file = records.tree.where(int(records.table["mask"][row]))
                found.extend((row, finding._replace(file=file)) for finding in _mask(records, row, seen[row]))

    in_chunks(len(records), read, progress.count("reading"))
    return [finding for _, finding in sorted(found, key=lambda each: each[0])]


def _image(records: Records, row: int, seen: np.ndarray, thumbnails: np.ndarray) -> Iterator[Finding]:
    try:
        data = records.read(row)
        with decoded(data, (2 * SIDE, 2 * SIDE)) as image:
            thumbnails[row] = thumbnail(image)
    except ImageError as error:
        yield _finding(records, row, _REASONS.get(str(error), "unreadable image"), str(error))
        return
    width, height = _size(data)
    digest = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest())
    seen[row] = digest, width, height
    if (thumbnails[row] == thumbnails[row, 0, 0]).all():
        yield _finding(records, row, "one colour", "every pixel is the same")
    if min(width, height) < _VERY_SMALL:
        yield _finding(records, row, "very small", f"{width}x{height} pixels")


def _mask(records: Records, row: int, image: np.void) -> Iterator[Finding]:
    try:
        with decoded(records.read_mask(row) or b"") as mask:
            size, empty = mask.size, mask.getbbox() is None
    except ImageError as error:
        yield _finding(records, row, "unreadable mask", str(error))
        return
    if image["width"] and size != (image["width"], image["height"]):
        detail = f"the mask is {size[0]}x{size[1]}, the image {image['width']}x{image['height']}"
        yield _finding(records, row, "odd mask size", detail)
    if empty:
        yield _finding(records, row, "empty mask", "no pixel is marked as lesion")


def _size(data: bytes) -> tuple[int, int]:
    """Width and height of an upright image, from its header, because it may be decoded at a reduced scale."""
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        turned = image.getexif().get(0x0112, 1) >= 5  # the tag of the orientation
    return (height, width) if turned else (width, height)


def _faults(records: Records) -> list[Finding]:
    """The faults of joining tables and files, as findings."""
    return [Finding(fault.kind, _severity(fault.kind), fault.image_id, detail=fault.detail) for fault in records.faults]


def _odd_sizes(records: Records, seen: np.ndarray) -> list[Finding]:
    """Images whose size differs from that of nearly all others."""
    readable = np.flatnonzero(seen["width"])
    sizes, member, counts = np.unique(seen[["width", "height"]][readable], return_inverse=True, return_counts=True)
    if not len(readable) or counts.max() < _COMMON * len(readable):
        return []
    common = counts.argmax()
    usual = "{}x{}".format(*sizes[common])
    return [
        _finding(records, row, "odd size", f"{seen['width'][row]}x{seen['height'][row]}, not {usual}")
        for row in readable[member != common].tolist()
    ]


def _divided(records: Records, options: SplitOptions) -> tuple[np.ndarray | None, str]:
    """The part of each record, and a text about the split; None if the archive is too small for the default split."""
    try:
        split = divide(records, options)
    except ArchiveError as error:
        if options != SplitOptions():
            raise
        return None, f"No split was made: {error}"
    counts = np.bincount(split.parts, minlength=len(PARTS)).tolist()
    sizes = ", ".join(f"{count:,} {part}" for count, part in zip(counts, PARTS, strict=True))
    return split.parts, f"{_made(records, options)}: {sizes}. {' '.join(split.remarks)}"


def _made(records: Records, options: SplitOptions) -> str:
    """A text about the kind of split; without lesions or patients, it is by image."""
    if options.split == "archive":
        return "The archive's own split"
    if options.split == "random":
        return "Random split by image"
    if options.split == "lesion":
        return f"Split by {records.layout.grouped_by or 'image'}"
    return f"Split of {options.split}"


def _copies(records: Records, seen: np.ndarray, near: list[Pair], parts: np.ndarray | None) -> Iterator[Finding]:
    """Images that appear under two ids: exact copies, then near copies, the nearest first."""
    yield from (_copy(records, EXACT, pair, parts, "the same bytes") for pair in _same_bytes(seen))
    for pair in near:
        first, second, distance = pair
        if seen["digest"][first] == seen["digest"][second]:
            continue
        exact = distance < _MAY_BE_EXACT and seen[first][["width", "height"]] == seen[second][["width", "height"]]
        if exact and _same_pixels(records, first, second):
            yield _copy(records, EXACT, pair, parts, "the same pixels in another file")
        else:
            yield _copy(records, NEAR, pair, parts, "")


def _near_copies(thumbnails: np.ndarray, readable: np.ndarray, progress: Progress) -> list[Pair]:
    """Pairs of near copies among the readable images."""
    some = thumbnails
    if len(readable) < len(thumbnails):
        some = paged(len(readable), THUMBNAIL)
        np.take(thumbnails, readable, axis=0, out=some, mode="clip")  # in place: any other mode takes a copy first
    return [
        Pair(int(readable[pair.first]), int(readable[pair.second]), pair.distance)
        for pair in find_duplicates(some, progress=progress)
    ]


def _same_bytes(seen: np.ndarray) -> Iterator[Pair]:
    """Pairs of each image whose file equals an earlier one, with the first of them."""
    order = np.argsort(seen["digest"], kind="stable")
    order = order[seen["width"][order] > 0]
    first = -1
    for row in order.tolist():
        if first >= 0 and seen["digest"][first] == seen["digest"][row]:
            yield Pair(first, row, 0.0)
        else:
            first = row


def _same_pixels(records: Records, first: int, second: int) -> bool:
    try:
        return _pixel_digest(records, first) == _pixel_digest(records, second)
    except ImageError:  # too large to be read at its full scale
        return False


def _pixel_digest(records: Records, row: int) -> tuple[tuple[int, int], bytes]:
    """Size and hash of an image's pixels, so that two large images are never in memory at once."""
    digest = hashlib.blake2b()
    with decoded(records.read(row)) as image:
        for top in range(0, image.height, _ROWS_HASHED):
            digest.update(image.crop((0, top, image.width, min(top + _ROWS_HASHED, image.height))).tobytes())
        return image.size, digest.digest()


def _copy(records: Records, kind: str, pair: Pair, parts: np.ndarray | None, detail: str) -> Finding:
    """A pair as a finding; exact copies with different labels or in different parts are errors."""
    rows = pair.first, pair.second
    label, other_label = (records.classes[records.labels[row]] for row in rows)
    part, other_part = ("" if parts is None else PARTS[parts[row]] for row in rows)
    same_group = ""
    if records.layout.grouped_by:
        same_group = "yes" if records.groups[pair.first] == records.groups[pair.second] else "no"
    reasons = [detail] * bool(detail)
    reasons += [f"labelled {label} and {other_label}"] * (label != other_label)
    reasons += [f"in {part} and {other_part}"] * (part != other_part)
    spoils = label != other_label or part != other_part
    normal = kind == NEAR and same_group == "yes"
    return Finding(
        kind=kind,
        severity="error" if spoils and kind == EXACT else "note" if normal and not spoils else "warning",
        image_id=records.image_id(pair.first),
        other_id=records.image_id(pair.second),
        distance=round(pair.distance, 4),
        same_group=same_group,
        label=label,
        other_label=other_label,
        part=part,
        other_part=other_part,
        file=records.where(pair.first),
        other_file=records.where(pair.second),
        detail="; ".join(reasons),
    )


def _finding(records: Records, row: int, kind: str, detail: str) -> Finding:
    """A finding of one image."""
    label = records.classes[records.labels[row]]
    return Finding(kind, _severity(kind), records.image_id(row), label=label, file=records.where(row), detail=detail)


def _severity(kind: str) -> str:
    return "warning" if kind in _WARNINGS else "error"
