"""The synthetic archive: a folder in HAM10000's own layout, packed, so that it is read by the same code.

    HAM10000_metadata.csv                        lesion_id,image_id,dx,dx_type,age,sex,localization,dataset
    HAM10000_images_part_1.zip, …_part_2.zip     SYNTH_0000001.jpg …
    HAM10000_segmentations_lesion_tschandl.zip   …/SYNTH_0000001_segmentation.png
    synthetic.json                               marks it as synthetic, with its options

The same options give the same bytes with the same versions of residerm, NumPy and Pillow, for any number of processes:
every lesion and every photograph has its own random generator, and the zips have a fixed date.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from residerm import __version__
from residerm.config import SyntheticOptions
from residerm.data.archives.layouts.ham10000 import SYNTHETIC_MARKER
from residerm.data.synthetic.photographs import encoded
from residerm.data.synthetic.plan import Photograph, plan
from residerm.data.synthetic.processes import mapped
from residerm.files import new_folder
from residerm.parallel import cores
from residerm.progress import SILENT, Progress

_COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization", "dataset")
_MASKS = "HAM10000_segmentations_lesion_tschandl"
_WORTH_A_PROCESS = 150  # drawing fewer images is faster than starting another process


def draw_archive(
    out: Path, options: SyntheticOptions, progress: Progress = SILENT, *, processes: int | None = None
) -> Path:
    """Draw the embedded archive into a new or empty folder, in as many processes as there are cores."""
    photographs = plan(options)
    workers = processes or min(cores(), 1 + len(photographs) // _WORTH_A_PROCESS)
    with new_folder(out) as folder:
        _write_metadata(folder / "HAM10000_metadata.csv", photographs)
        with closing(mapped(partial(encoded, options=options), photographs, workers)) as drawn:
            _write_zips(folder, photographs, drawn, progress)
        _write_marker(folder / SYNTHETIC_MARKER, options, photographs)
    return out


def _write_metadata(path: Path, photographs: Sequence[Photograph]) -> None:
    """Write a row for each image, lesion by lesion as in HAM10000."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(_COLUMNS)
        for photograph in sorted(photographs, key=lambda one: (one.case.number, one.number)):
            case = photograph.case
            age = "" if case.age is None else case.age
            person = (case.confirmed_by, age, case.sex, case.site, "synthetic")
            table.writerow((case.lesion_id, photograph.image_id, case.diagnosis, *person))


def _write_zips(
    folder: Path,
    photographs: Sequence[Photograph],
    drawn: Iterator[tuple[bytes, bytes]],
    progress: Progress,
) -> None:
    """Write two zips of images and one of masks, in the order of the images' numbers."""
    half, total = (len(photographs) + 1) // 2, len(photographs)
    with (
        ZipFile(folder / "HAM10000_images_part_1.zip", "w") as first,
        ZipFile(folder / "HAM10000_images_part_2.zip", "w") as second,
        ZipFile(folder / f"{_MASKS}.zip", "w") as masks,
    ):
        for done, (photograph, (picture, mask)) in enumerate(zip(photographs, drawn, strict=True), start=1):
            _add(first if done <= half else second, f"{photograph.image_id}.jpg", picture)
            _add(masks, f"{_MASKS}/{photograph.image_id}_segmentation.png", mask)
            progress.advance("drawing", done, total)


def _add(archive: ZipFile, name: str, data: bytes) -> None:
    """Store a file uncompressed, with a fixed date and fixed permissions."""
    entry = ZipInfo(name)  # 1 January 1980
    entry.create_system, entry.external_attr = 3, 0o644 << 16
    archive.writestr(entry, data)


def _write_marker(path: Path, options: SyntheticOptions, photographs: Sequence[Photograph]) -> None:
    """Write the file by which readers recognise a synthetic archive."""
    cases = {photograph.case for photograph in photographs}
    marker = {
        "synthetic": True,
        "about": "Drawn by a program: no image shows a person, and no result on them says anything about real skin.",
        "generator": "residerm",
        "version": __version__,
        "licence": "CC0-1.0",
        "options": options.model_dump(),
        "images": len(photographs),
        "lesions": len(cases),
        "lesions_by_class": dict(sorted(Counter(case.diagnosis for case in cases).items())),
    }
    path.write_text(json.dumps(marker, indent=2) + "\n", encoding="utf-8")
