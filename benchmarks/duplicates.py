"""Recall of altered copies of an archive's images, and false positives: pairs of different lesions that are reported.

    python benchmarks/duplicates.py PATH [--copies 10000] [--seed 0] [--limit 0.3] [--json FILE]

Images are copied once, each altered in one of the ways below, and all copies are searched for among all images. The
lesions are divided into two halves. The distance limit is chosen on the first half, midway between the distance that
includes 99 % of the found copies and that of the nearest wrong pair; recall and false positives are reported for the
second. A pair of different lesions is wrong, unless it was inspected and shows the same skin (`LOOKED_AT`, for
HAM10000).
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from residerm.data.archives import open_archive
from residerm.data.archives.records import Records
from residerm.data.inspect.duplicates import LIMIT, THUMBNAIL, Pair, find_duplicates, thumbnail
from residerm.imaging import decode
from residerm.parallel import in_chunks
from residerm.storage.scratch import paged

Change = Callable[[Image.Image, np.random.Generator], Image.Image]
WIDEST = 0.6  # the largest distance that is considered
LOOKED_AT = (
    ("ISIC_0025226", "ISIC_0030074"),
    ("ISIC_0027027", "ISIC_0029036"),
    ("ISIC_0027133", "ISIC_0032328"),
    ("ISIC_0027559", "ISIC_0027737"),
    ("ISIC_0027636", "ISIC_0027994"),
    ("ISIC_0032634", "ISIC_0033556"),
    ("ISIC_0032740", "ISIC_0034283"),
    ("ISIC_0032800", "ISIC_0033898"),
    ("ISIC_0032881", "ISIC_0033607"),
    ("ISIC_0032900", "ISIC_0033622"),
    ("ISIC_0033228", "ISIC_0034164"),
    ("ISIC_0033330", "ISIC_0033535"),
    ("ISIC_0034228", "ISIC_0034248"),
)


def encoded(quality: int) -> Change:
    def change(image: Image.Image, _: np.random.Generator) -> Image.Image:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        return Image.open(stream).convert("RGB")

    return change


def scaled(low: float, high: float) -> Change:
    def change(image: Image.Image, random: np.random.Generator) -> Image.Image:
        factor = random.uniform(low, high)
        size = (max(1, round(side * factor)) for side in image.size)
        return image.resize(tuple(size), Image.Resampling.BICUBIC)

    return change


def turned(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.transpose(random.choice(list(Image.Transpose)))


def cropped(low: float, high: float, sides: int = 4) -> Change:
    """Crop a share from `low` to `high` off each of some sides."""

    def change(image: Image.Image, random: np.random.Generator) -> Image.Image:
        shares = np.zeros(4)
        shares[random.permutation(4)[:sides]] = random.uniform(low, high, sides)
        left, top, right, bottom = (shares * np.tile(image.size, 2)).round().astype(int).tolist()
        return image.crop((left, top, image.width - right, image.height - bottom))

    return change


def toned(strength: float) -> Change:
    def change(image: Image.Image, random: np.random.Generator) -> Image.Image:
        brighter = ImageEnhance.Brightness(image).enhance(1 + random.uniform(-strength, strength))
        return ImageEnhance.Contrast(brighter).enhance(1 + random.uniform(-strength, strength))

    return change


def rotated(degrees: float) -> Change:
    """Rotate, and crop the empty corners."""
    return together(lambda image, _: image.rotate(degrees, Image.Resampling.BICUBIC), cropped(0.06, 0.06))


def together(*changes: Change) -> Change:
    def change(image: Image.Image, random: np.random.Generator) -> Image.Image:
        for each in changes:
            image = each(image, random)
        return image

    return change


CHANGES: dict[str, Change] = {
    "JPEG quality 95": encoded(95),
    "JPEG quality 75": encoded(75),
    "JPEG quality 50": encoded(50),
    "JPEG quality 30": encoded(30),
    "scaled by 0.3": scaled(0.3, 0.3),
    "scaled by 0.5": scaled(0.5, 0.5),
    "scaled by 0.75": scaled(0.75, 0.75),
    "scaled by 1.5": scaled(1.5, 1.5),
    "rotated by 90 degrees or mirrored": turned,
    "cropped by up to 5 % a side": cropped(0, 0.05),
    "cropped by up to 10 % a side": cropped(0, 0.10),
    "cropped by up to 15 % a side": cropped(0, 0.15),
    "cropped by 10 % on every side": cropped(0.10, 0.10),
    "cropped by 15 % on every side": cropped(0.15, 0.15),
    "cropped by 20 % on every side": cropped(0.20, 0.20),
    "cropped by 10 % on one side": cropped(0.10, 0.10, sides=1),
    "cropped by 15 % on one side": cropped(0.15, 0.15, sides=1),
    "brightness, contrast up to 10 %": toned(0.10),
    "brightness, contrast up to 20 %": toned(0.20),
    "cropped by up to 10 %, rotated": together(cropped(0, 0.10), turned),
    "cropped by up to 15 %, rotated": together(cropped(0, 0.15), turned),
    "all, mildly": together(cropped(0, 0.08), turned, toned(0.1), scaled(0.5, 1.0), encoded(75)),
    "all, strongly": together(cropped(0, 0.15), turned, toned(0.2), scaled(0.3, 0.5), encoded(50)),
}
BEYOND: dict[str, Change] = {  # beyond what the search is designed for
    "rotated by 3 degrees": rotated(3),
    "rotated by 10 degrees": rotated(10),
    "grey": lambda image, _: image.convert("L").convert("RGB"),
}
ALL = CHANGES | BEYOND


@dataclass(frozen=True)
class Trial:
    """All images of an archive followed by the copies: their origins, and the pairs that were found."""

    images: int
    originals: np.ndarray  # the row of each copy's original
    kinds: np.ndarray  # the index of each copy's change
    lesion: np.ndarray  # for each image and each copy
    half: np.ndarray  # 0: to choose the limit on, 1: to report on
    pairs: list[Pair]
    seconds: float


def main() -> None:
    arguments = _arguments()
    records = open_archive(arguments.path)
    trial = run(records, arguments.copies, arguments.seed)
    result = {
        "archive": records.layout.title,
        "images": trial.images,
        "copies": len(trial.originals),
        "seed": arguments.seed,
        "seconds": round(trial.seconds, 1),
        "limit_chosen": choose_limit(trial),
        "limit": arguments.limit,
        "recall": recall_by_kind(trial, arguments.limit),
        "wrong_per_1000": {limit: wrong_per_1000(trial, limit) for limit in (arguments.limit, 0.35, 0.4, 0.5)},
        "across_lesions": across_lesions(records, trial, arguments.limit + 0.1),
    }
    show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


def run(records: Records, copies: int, seed: int) -> Trial:
    """Make the copies and search for them."""
    random = np.random.default_rng(seed)
    originals = np.sort(random.permutation(len(records))[:copies])
    kinds = random.permutation(np.arange(len(originals)) % len(ALL))
    thumbnails = draw(records, originals, kinds, seed)
    start = time.perf_counter()
    pairs = find_duplicates(thumbnails, limit=WIDEST)
    seconds = time.perf_counter() - start
    lesions = merged_lesions(records)
    lesion = np.concatenate([lesions, lesions[originals]])
    half = random.permutation(np.arange(lesion.max() + 1) % 2)[lesion]
    return Trial(len(records), originals, kinds, lesion, half, pairs, seconds)


def draw(records: Records, originals: np.ndarray, kinds: np.ndarray, seed: int) -> np.ndarray:
    """The thumbnails of all images, followed by those of the copies."""
    thumbnails = paged(len(records) + len(originals), THUMBNAIL)
    copy_of = dict(zip(originals.tolist(), range(len(originals)), strict=True))
    changes = list(ALL.values())

    def read(start: int, stop: int) -> None:
        for row in range(start, stop):
            image = decode(records.read(row))
            thumbnails[row] = thumbnail(image)
            if row in copy_of:
                changed = changes[kinds[copy_of[row]]](image, np.random.default_rng([seed, row]))
                thumbnails[len(records) + copy_of[row]] = thumbnail(changed)

    in_chunks(len(records), read)
    return thumbnails


def merged_lesions(records: Records) -> np.ndarray:
    """The index of each image's lesion; lesions that inspection showed to be the same are merged."""
    numbers = np.unique(records.groups, return_inverse=True)[1]
    rows = {records.image_id(row): row for row in range(len(records))}
    for first, second in LOOKED_AT:
        if first in rows and second in rows:
            numbers[numbers == numbers[rows[second]]] = numbers[rows[first]]
    return numbers


def choose_limit(trial: Trial) -> float:
    """Midway between the distance that includes 99 % of the first half's copies and that of its nearest wrong pair."""
    own = [pair for pair in trial.pairs if trial.half[pair.first] == trial.half[pair.second] == 0]
    copies = [pair for pair in own if is_copy(trial, pair)]
    right = [pair.distance for pair in copies if trial.kinds[pair.second - trial.images] < len(CHANGES)]
    wrong = min((pair.distance for pair in own if is_wrong(trial, pair)), default=WIDEST)
    return round((float(np.quantile(right, 0.99)) + wrong) / 2, 2)


def recall_by_kind(trial: Trial, limit: float) -> dict[str, tuple[int, int]]:
    """For each change, the number of copies in the second half that were found, and the number of all copies."""
    found = np.zeros(len(trial.originals), bool)
    for pair in trial.pairs:
        if is_copy(trial, pair) and pair.distance <= limit:
            found[pair.second - trial.images] = True
    counted = trial.half[trial.originals] == 1
    kinds = {name: counted & (trial.kinds == kind) for kind, name in enumerate(ALL)}
    return {name: (int(found[mine].sum()), int(mine.sum())) for name, mine in kinds.items()}


def wrong_per_1000(trial: Trial, limit: float) -> float:
    """Wrong pairs per 1,000 images of the second half; a pair counts half for each of its images."""
    pairs = [pair for pair in trial.pairs if pair.distance <= limit and is_wrong(trial, pair)]
    images = sum(int(trial.half[pair.first] + trial.half[pair.second]) for pair in pairs) / 2
    return round(1000 * images / int(trial.half.sum()), 3)


def across_lesions(records: Records, trial: Trial, limit: float) -> list[tuple[str, str, float]]:
    """The pairs of original images of different lesions, for inspection."""
    return [
        (records.image_id(first), records.image_id(second), round(distance, 3))
        for first, second, distance in trial.pairs
        if second < trial.images and distance <= limit and records.groups[first] != records.groups[second]
    ]


def is_copy(trial: Trial, pair: Pair) -> bool:
    """Whether a pair is an image and its copy."""
    return pair.second >= trial.images and bool(trial.originals[pair.second - trial.images] == pair.first)


def is_wrong(trial: Trial, pair: Pair) -> bool:
    """Whether a pair shows two different lesions."""
    return bool(trial.lesion[pair.first] != trial.lesion[pair.second])


def show(result: dict[str, Any]) -> None:
    print("{archive}: {images:,} images, {copies:,} copies, seed {seed}; compared in {seconds} s".format(**result))
    print("limit chosen on the first half: {limit_chosen}; used: {limit}".format(**result))
    recall = dict(result["recall"])
    made_for = np.sum([recall[name] for name in CHANGES], axis=0).tolist()
    for name, (found, copies) in [*recall.items(), ("all but the last three", made_for)]:
        print(f"{name:34}{found:6,} of {copies:5,}{found / max(copies, 1):9.1%}")
    for limit, wrong in result["wrong_per_1000"].items():
        print(f"wrong pairs per 1,000 images at {limit:<4}{wrong:8}")
    for first, second, distance in result["across_lesions"]:
        print(f"pair of different lesions: {first} {second} {distance}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--copies", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=LIMIT)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
