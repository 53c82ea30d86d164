"""Everything that is wrong with an archive, as findings that each name an image, its file and what to look at.

    residerm data check PATH --out findings.csv

An `error` is certain, and it stops a training or spoils its result: what is missing, cannot be read, is labelled twice
or with an unknown class, and the same image under two labels or on two sides of a split. A `warning` is to be looked
at. A `note` is normal: photographs of one lesion that are nearly the same.

Images are read once, in as many threads as there are cores. What is remembered of them lies in paged tables, so that
private memory does not grow with the archive, only with the findings.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from residerm.config import SplitOptions
from residerm.data.archives.records import PARTS, Records
from residerm.data.inspect.duplicates import SIDE, THUMBNAIL, Pair, find, thumbnail
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
_COMMON = 0.9  # of the images have one size, so that another is odd
_MAY_BE_EXACT = 0.02  # distance below which two files may hold the same pixels
_ROWS_HASHED = 256  # at a time: a copy of all would take as much memory as the image
_SEEN = np.dtype([("digest", "u8"), ("width", "i4"), ("height", "i4")])


class Finding(NamedTuple):
    """Something to mend or to look at; a column of the CSV for each field, empty where it does not apply."""

    kind: str
    severity: str
    image_id: str
    other_id: str = ""
    distance: float | str = ""
    same_group: str = ""  # whether the two are of the same lesion or patient: yes, no, or not known
    label: str = ""
    other_label: str = ""
    part: str = ""
    other_part: str = ""
    file: str = ""
    other_file: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Report:
    """What was found, errors first, and how the archive was divided to see what leaks."""

    archive: str
    images: int
    masks: int
    grouped_by: str | None
    findings: tuple[Finding, ...]
    split: str
    notes: tuple[str, ...] = ()  # what must be known of the archive

    def count(self, severity: str) -> int:
        """How many findings are of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def kinds(self) -> dict[tuple[str, str], list[Finding]]:
        """The findings that are no copies, by severity and kind."""
        kinds: dict[tuple[str, str], list[Finding]] = {}
        for finding in self.findings:
            if finding.kind not in (EXACT, NEAR):
                kinds.setdefault((finding.severity, finding.kind), []).append(finding)
        return kinds

    def copies(self) -> dict[tuple[str, str], tuple[int, int, int]]:
        """Of copies by kind and whether they are of the same group: all, labelled differently, on two sides."""
        pairs = [finding for finding in self.findings if finding.kind in (EXACT, NEAR)]
        keys = Counter((pair.kind, pair.same_group) for pair in pairs)
        differ = Counter((pair.kind, pair.same_group) for pair in pairs if pair.label != pair.other_label)
        apart = Counter((pair.kind, pair.same_group) for pair in pairs if pair.part != pair.other_part)
        return {key: (count, differ[key], apart[key]) for key, count in sorted(keys.items())}

    def to_dict(self) -> dict[str, object]:
        """As plain data."""
        return {
            "archive": self.archive,
            "images": self.images,
            "masks": self.masks,
            "split": self.split,
            "notes": list(self.notes),
            **{f"{severity}s": self.count(severity) for severity in SEVERITIES},
            "kinds": dict(Counter(finding.kind for finding in self.findings)),
            "findings": [finding._asdict() for finding in self.findings],
        }


def check(records: Records, options: SplitOptions, progress: Progress = SILENT) -> Report:
    """Look at every file of an archive, and for the same image under two ids."""
    seen, thumbnails = paged(len(records), _SEEN), paged(len(records), THUMBNAIL)
    findings = _read_all(records, seen, thumbnails, progress)
    near = _near_copies(thumbnails, np.flatnonzero(seen["width"]), progress)
    findings += _faults(records)
    findings += [Finding("merged labels", _severity("merged labels"), "", detail=text) for text in records.merged]
    findings += _odd_sizes(records, seen)
    parts, split = _divided(records, options)
    findings += _copies(records, seen, near, parts)
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Report(
        archive=records.layout.title,
        images=len(records),
        masks=int((records.table["mask"] >= 0).sum()),
        grouped_by=records.layout.grouped_by,
        findings=tuple(findings),
        split=split,
        notes=records.notes,
    )


def write_findings(report: Report, path: Path) -> None:
    """Write the findings as a CSV, a row each."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        Writer(stream).rows([Finding._fields, *report.findings])


def _read_all(records: Records, seen: np.ndarray, thumbnails: np.ndarray, progress: Progress) -> list[Finding]:
    """Read every image and mask; what is wrong with them, in the order of the records."""
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
    """Width and height of an upright image, of its header alone: it may have been decoded at a reduced scale."""
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        turned = image.getexif().get(0x0112, 1) >= 5  # the tag of the orientation
    return (height, width) if turned else (width, height)


def _faults(records: Records) -> list[Finding]:
    """What did not fit when the tables were joined with the files."""
    return [Finding(fault.kind, _severity(fault.kind), fault.image_id, detail=fault.detail) for fault in records.faults]


def _odd_sizes(records: Records, seen: np.ndarray) -> list[Finding]:
    """Images of another size than nearly all the others have."""
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
    """The part of every record, and the split in words; an archive that is too small for the usual split has none."""
    try:
        split = divide(records, options)
    except ArchiveError as error:
        if options != SplitOptions():
            raise
        return None, f"No split was made: {error}"
    counts = np.bincount(split.parts, minlength=len(PARTS)).tolist()
    shares = ", ".join(f"{count:,} {part}" for count, part in zip(counts, PARTS, strict=True))
    return split.parts, f"{_made(records, options)}: {shares}. {' '.join(split.remarks)}"


def _made(records: Records, options: SplitOptions) -> str:
    """How a split was made, in words; without lesions or patients there is only one by image."""
    if options.split == "archive":
        return "The archive's own split"
    if options.split == "random":
        return "Random split by image"
    if options.split == "lesion":
        return f"Split by {records.layout.grouped_by or 'image'}"
    return f"Split of {options.split}"


def _copies(records: Records, seen: np.ndarray, near: list[Pair], parts: np.ndarray | None) -> Iterator[Finding]:
    """The same image under two ids, exactly and then nearly, nearest first."""
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
    """The images that show the same picture; unreadable ones, which all look the same, are not compared."""
    some = thumbnails
    if len(readable) < len(thumbnails):
        some = paged(len(readable), THUMBNAIL)
        np.take(thumbnails, readable, axis=0, out=some, mode="clip")  # in place: any other mode takes a copy first
    return [
        Pair(int(readable[pair.first]), int(readable[pair.second]), pair.distance)
        for pair in find(some, progress=progress)
    ]


def _same_bytes(seen: np.ndarray) -> Iterator[Pair]:
    """Each image whose file is the same as an earlier one's, with the first of them."""
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
    """Size and hash of an image's pixels, so that two large ones are never in memory at once."""
    digest = hashlib.blake2b()
    with decoded(records.read(row)) as image:
        for top in range(0, image.height, _ROWS_HASHED):
            digest.update(image.crop((0, top, image.width, min(top + _ROWS_HASHED, image.height))).tobytes())
        return image.size, digest.digest()


def _copy(records: Records, kind: str, pair: Pair, parts: np.ndarray | None, detail: str) -> Finding:
    """A pair as a finding; certain copies that contradict each other, or leak, are errors."""
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
