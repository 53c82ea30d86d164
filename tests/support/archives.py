"""Small archives in every supported layout, with file names as published and distinct images.

    path = archives.ham10000(tmp_path, lesions=21)                     zips and table, as downloaded
    path = archives.ham10000(tmp_path, packed=False)                   each zip unpacked into a folder of its name
    path = archives.zip_folder(archives.isic2019(tmp_path))            one zip of everything
    archives.ham10000(tmp_path, change=archives.set_cells(age="nan"))  every row of the table changed

Each function writes to `folder` and returns the path to open. `change` maps each row of the tables to a new row, or to
None to drop it. `ARCHIVES` maps the names of layouts to these functions.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

Line = dict[str, Any]
Change = Callable[[Line], Line | None]
SEVEN = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
EIGHT = ("ak", "bcc", "bkl", "df", "mel", "nv", "scc", "vasc")


@lru_cache(maxsize=4096)
def make_jpeg(seed: int, size: tuple[int, int] = (24, 18)) -> bytes:
    """An ellipse on skin colour, different for every seed."""
    random = np.random.default_rng(seed)
    picture = Image.new("RGB", size, tuple(random.integers(150, 255, 3).tolist()))
    left, top = random.uniform(0, 0.4, 2) * size
    box = (left, top, left + size[0] * random.uniform(0.3, 0.6), top + size[1] * random.uniform(0.3, 0.6))
    ImageDraw.Draw(picture).ellipse(box, fill=tuple(random.integers(20, 140, 3).tolist()))
    return _encoded(picture, "JPEG")


@lru_cache(maxsize=4096)
def make_mask(seed: int, size: tuple[int, int] = (24, 18)) -> bytes:
    """A 1-bit PNG with a white lesion."""
    picture = Image.new("1", size)
    ImageDraw.Draw(picture).rectangle((2, 2, 5 + seed % (size[0] - 6), size[1] - 3), fill=1)
    return _encoded(picture, "PNG")


def make_table(lines: Iterable[Line], change: Change | None = None, *, header: bool = True, **dialect: Any) -> bytes:
    """Rows as CSV."""
    changed = [new for line in lines if (new := change(dict(line)) if change else line) is not None]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(changed[0]), **{"lineterminator": "\n", **dialect})
    if header:
        writer.writeheader()
    writer.writerows(changed)
    return text.getvalue().encode()


def set_cells(only: str | None = None, **cells: str) -> Change:
    """A change that sets cells in every row, or only in rows that contain the value `only`."""
    return lambda line: line | cells if only is None or only in line.values() else line


def write(folder: Path, files: Mapping[str, bytes], zips: Mapping[str, Mapping[str, bytes]], packed: bool) -> Path:
    """Write files and zips, or folders in place of the zips."""
    for name, data in files.items():
        _write(folder / name, data)
    for name, members in zips.items():
        if packed:
            _pack(folder / f"{name}.zip", members)
        else:
            for member, data in members.items():
                _write(folder / name / member, data)
    return folder


def zip_folder(folder: Path) -> Path:
    """Pack a folder into one zip, with the zips in it unpacked to folders of their names."""
    members: dict[str, bytes] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder)
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as inner:
                members |= {f"{name.with_suffix('')}/{member}": inner.read(member) for member in inner.namelist()}
        else:
            members[name.as_posix()] = path.read_bytes()
    whole = folder.with_name(f"{folder.name}-whole.zip")
    _pack(whole, members)
    return whole


def make_lesions(lesions: int) -> list[tuple[int, str, str]]:
    """Image number, lesion and class of each image; every second lesion has two images, classes alternate."""
    numbers = count(24306)
    return [
        (next(numbers), f"HAM_{lesion:07d}", SEVEN[lesion % 7])
        for lesion in range(lesions)
        for _ in range(1 + lesion % 2)
    ]


def ham10000(
    folder: Path,
    *,
    lesions: int = 14,
    packed: bool = True,
    change: Change | None = None,
    metadata: str = "HAM10000_metadata.csv",
    masks: bool = True,
    synthetic: bool = False,
    **dialect: Any,
) -> Path:
    """HAM10000, or the synthetic archive."""
    images = make_lesions(lesions)
    lines = [
        {"lesion_id": lesion, "image_id": f"ISIC_{number:07d}", "dx": name, "dx_type": "histo"}
        | {"age": f"{number % 9 * 10}.0" if number % 5 else "", "sex": ("male", "female", "unknown")[number % 3]}
        | {"localization": ("back", "face", "unknown")[number % 3]}
        for number, lesion, name in images
    ]
    half = len(images) // 2
    zips = {
        f"HAM10000_images_part_{part}": {f"ISIC_{number:07d}.jpg": make_jpeg(number) for number, *_ in some}
        for part, some in ((1, images[:half]), (2, images[half:]))
    }
    if masks:
        name = "HAM10000_segmentations_lesion_tschandl"
        zips[name] = {f"{name}/ISIC_{number:07d}_segmentation.png": make_mask(number) for number, *_ in images}
    files = {metadata: make_table(lines, change, **dialect)}
    if synthetic:
        files["synthetic.json"] = json.dumps({"seed": 0}).encode()
    return write(folder, files, zips, packed)


def isic2016(folder: Path, *, images: int = 6, packed: bool = True, change: Change | None = None) -> Path:
    """ISIC 2016 part 3 with equal numbers of training and test images, a third of them malignant."""
    files, zips = {}, {}
    for part, first, words in (("Training", 0, ("benign", "malignant")), ("Test", 50, ("0.0", "1.0"))):
        name = f"ISBI2016_ISIC_Part3_{part}"
        numbers = range(first, first + images)
        lines = [{"image_id": f"ISIC_{number:07d}", "label": words[(number - first) % 3 == 2]} for number in numbers]
        files[f"{name}_GroundTruth.csv"] = make_table(lines, change, header=False)
        zips[f"{name}_Data"] = {f"{name}_Data/ISIC_{number:07d}.jpg": make_jpeg(number) for number in numbers}
    return write(folder, files, zips, packed)


def isic2017(
    folder: Path, *, images: int = 6, packed: bool = True, change: Change | None = None, people: bool = True
) -> Path:
    """ISIC 2017 part 3 with `images` in each part; melanoma, seborrheic keratosis and nevus alternate."""
    files, zips = {}, {}
    for part, first in (("Training", 0), ("Validation", 100), ("Test_v2", 200)):
        name = f"ISIC-2017_{part}"
        ids = [f"ISIC_{number:07d}" for number in range(first, first + images)]
        lines = [
            {"image_id": image, "melanoma": float(turn % 3 == 0), "seborrheic_keratosis": float(turn % 3 == 1)}
            for turn, image in enumerate(ids)
        ]
        files[f"{name}_Part3_GroundTruth.csv"] = make_table(lines, change)
        members = {f"{name}_Data/{image}.jpg": make_jpeg(first + turn) for turn, image in enumerate(ids)}
        members |= {f"{name}_Data/{image}_superpixels.png": make_mask(turn) for turn, image in enumerate(ids)}
        if people:
            lines = [
                {"image_id": image, "age_approximate": 40 + turn if turn else "unknown", "sex": "female"}
                for turn, image in enumerate(reversed(ids))
            ]
            members[f"{name}_Data/{name}_Data_metadata.csv"] = make_table(lines)
        zips[f"{name}_Data"] = members
    return write(folder, files, zips, packed)


def isic2018(
    folder: Path, *, lesions: int = 7, packed: bool = True, change: Change | None = None, groupings: bool = True
) -> Path:
    """ISIC 2018 task 3 with five validation and five test images, including ISIC_0035068."""
    training = make_lesions(lesions)
    parts = {
        "Training": [(number, name) for number, _, name in training],
        "Validation": [(34321 + turn, SEVEN[turn]) for turn in range(5)],
        "Test": [(35065 + turn, SEVEN[turn]) for turn in range(5)],
    }
    files, zips = {}, {}
    for part, images in parts.items():
        name = f"ISIC2018_Task3_{part}"
        lines = [{"image": f"ISIC_{number:07d}"} | _one_hot(label, _OFFICIAL_SEVEN) for number, label in images]
        zips[f"{name}_Input"] = {f"{name}_Input/ISIC_{number:07d}.jpg": make_jpeg(number) for number, _ in images}
        zips[f"{name}_Input"][f"{name}_Input/LICENSE.txt"] = b"CC BY-NC 4.0\n"
        zips[f"{name}_GroundTruth"] = {f"{name}_GroundTruth/{name}_GroundTruth.csv": make_table(lines, change)}
    if groupings:
        lines = [
            {"image": f"ISIC_{number:07d}", "lesion_id": lesion, "diagnosis_confirm_type": "histopathology"}
            for number, lesion, _ in reversed(training)
        ]
        files["ISIC2018_Task3_Training_LesionGroupings.csv"] = make_table(lines)
    return write(folder, files, zips, packed)


def isic2019(
    folder: Path,
    *,
    images: int = 18,
    packed: bool = True,
    change: Change | None = None,
    lesions: bool = True,
    downsampled: str = "_downsampled",
) -> Path:
    """ISIC 2019 with nine test images; the classes and UNK alternate.

    Every fourth training id ends in `_downsampled`, its file name in `downsampled`. Every third lesion id is missing.
    """
    files, zips = {}, {}
    for part, first, total in (("Training", 0, images), ("Test", 500, 9)):
        name = f"ISIC_2019_{part}"
        ids = [f"ISIC_{number:07d}" for number in range(first, first + total)]
        shrunk = [part == "Training" and turn % 4 == 3 for turn in range(total)]
        names = [f"{image}{'_downsampled' * small}" for image, small in zip(ids, shrunk, strict=True)]
        lines = [
            {"image": image} | _one_hot((*EIGHT, "unk")[turn % 9], _OFFICIAL_NINE) for turn, image in enumerate(names)
        ]
        people = [
            {"image": image, "age_approx": 30 + turn if turn else "", "anatom_site_general": "anterior torso"}
            | ({"lesion_id": f"BCN_{turn // 2:07d}" if turn % 3 else ""} if lesions else {})
            | {"sex": "male" if turn % 2 else ""}
            for turn, image in enumerate(names)
        ]
        files[f"{name}_GroundTruth.csv"] = make_table(lines, change)
        files[f"{name}_Metadata.csv"] = make_table(people[::-1])
        zips[f"{name}_Input"] = {
            f"{name}_Input/{image}{downsampled * small}.jpg": make_jpeg(first + turn)
            for turn, (image, small) in enumerate(zip(ids, shrunk, strict=True))
        }
    return write(folder, files, zips, packed)


def isic2020(
    folder: Path,
    *,
    images: int = 12,
    packed: bool = True,
    change: Change | None = None,
    duplicates: Sequence[tuple[int, int]] = ((0, 3), (6, 3)),
    version: str = "_v2",
) -> Path:
    """ISIC 2020 with two images per patient, every fourth malignant, and a list of duplicates."""
    ids = [f"ISIC_{15719 + turn:07d}" for turn in range(images)]
    lines = [
        {"image_name": image, "patient_id": f"IP_{turn // 2:07d}"}
        | ({"lesion_id": f"IL_{turn:07d}"} if version else {})
        | {"sex": "female", "age_approx": 45.0 + turn, "anatom_site_general_challenge": "torso", "diagnosis": "unknown"}
        | {"benign_malignant": ("benign", "malignant")[turn % 4 == 3], "target": int(turn % 4 == 3)}
        for turn, image in enumerate(ids)
    ]
    files = {f"ISIC_2020_Training_GroundTruth{version}.csv": make_table(lines, change)}
    if duplicates:
        pairs = [{"image_name_1": ids[one], "image_name_2": ids[other]} for one, other in duplicates]
        files["ISIC_2020_Training_Duplicates.csv"] = make_table(pairs)
    members = {f"train/{image}.jpg": make_jpeg(turn) for turn, image in enumerate(ids)}
    return write(folder, files, {"ISIC_2020_Training_JPEG": members}, packed)


def dermamnist(folder: Path, *, side: int = 28, images: tuple[int, int, int] = (14, 7, 7), grey: bool = False) -> Path:
    """DermaMNIST with these numbers of training, validation and test images; classes alternate."""
    shape = (side, side) if grey else (side, side, 3)
    random = np.random.default_rng(side)
    arrays = {}
    for prefix, total in zip(("train", "val", "test"), images, strict=True):
        arrays[f"{prefix}_images"] = random.integers(0, 256, (total, *shape), dtype=np.uint8)
        arrays[f"{prefix}_labels"] = (np.arange(total, dtype=np.uint8) % 7)[:, None]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("dermamnist.npz" if side == 28 else f"dermamnist_{side}.npz")
    np.savez(path, **arrays)
    return path


def class_folders(
    folder: Path,
    *,
    classes: Sequence[str] = ("cat", "dog"),
    parts: Sequence[str] = (),
    images: int = 3,
    packed: bool = False,
) -> Path:
    """A folder for each class; packed, a zip for each part or class."""
    seeds = count()
    zips = {
        outer: {f"{inner}{turn}.jpg": make_jpeg(next(seeds)) for inner in inners for turn in range(images)}
        for outer, inners in (
            [(part, [f"{name}/" for name in classes]) for part in parts]
            if parts
            else [(name, [""]) for name in classes]
        )
    }
    return write(folder, {}, zips, packed)


def csv_table(
    folder: Path, *, images: int = 6, packed: bool = False, change: Change | None = None, name: str = "labels.csv"
) -> Path:
    """A table of paths and labels, alternating between cat and dog, with its images in a folder or zip."""
    lines = [{"path": f"images/{turn}.jpg", "label": ("cat", "dog")[turn % 2]} for turn in range(images)]
    delimiter = "," if name.endswith(".csv") else "\t"
    members = {f"{turn}.jpg": make_jpeg(turn) for turn in range(images)}
    return write(folder, {name: make_table(lines, change, delimiter=delimiter)}, {"images": members}, packed)


def synthetic(folder: Path, **options: Any) -> Path:
    """The synthetic archive."""
    return ham10000(folder, synthetic=True, **options)


ARCHIVES: Mapping[str, Callable[..., Path]] = {
    "ham10000": ham10000,
    "synthetic": synthetic,
    "isic2016": isic2016,
    "isic2017": isic2017,
    "isic2018": isic2018,
    "isic2019": isic2019,
    "isic2020": isic2020,
    "dermamnist": dermamnist,
    "csv": csv_table,
    "folders": class_folders,
}
_OFFICIAL_SEVEN = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
_OFFICIAL_NINE = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")


def _one_hot(label: str, columns: Sequence[str]) -> Line:
    return {column: float(column.lower() == label) for column in columns}


def _encoded(picture: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _pack(path: Path, members: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
