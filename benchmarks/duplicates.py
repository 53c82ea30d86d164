"""How many altered copies of an archive's images are found, and how many pairs of different lesions are taken for one.

    python benchmarks/duplicates.py PATH [--copies 8519] [--seed 0] [--limit 0.3] [--json FILE]

Each of so many images is copied once, changed in one of the ways below, and all copies are searched for among all the
images. Lesions are dealt into two halves: on one, the largest limit is chosen at which at most one pair in 10,000
images is wrong; recall and wrong pairs are reported of the other. A pair of different lesions is wrong, unless it
was looked at and shows the same skin (`LOOKED_AT`, for HAM10000).
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from residerm.data.archives import open_archive
from residerm.data.duplicates import LIMIT, THUMBNAIL, Pair, find, thumbnail
from residerm.data.parallel import in_chunks
from residerm.data.records import Records
from residerm.data.scratch import paged
from residerm.preprocess import decode

Change = Callable[[Image.Image, np.random.Generator], Image.Image]
WIDEST = 0.6  # the largest distance that is looked at
LOOKED_AT = (
    ("ISIC_0025226", "ISIC_0030074"),
    ("ISIC_0027027", "ISIC_0029036"),
    ("ISIC_0032740", "ISIC_0034283"),
    ("ISIC_0027636", "ISIC_0027994"),
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
    """Cut a share from `low` to `high` off each of so many sides."""

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
    "turned or mirrored": turned,
    "cropped by up to 5 % a side": cropped(0, 0.05),
    "cropped by up to 10 % a side": cropped(0, 0.10),
    "cropped by up to 15 % a side": cropped(0, 0.15),
    "cropped by 10 % on every side": cropped(0.10, 0.10),
    "cropped by 15 % on every side": cropped(0.15, 0.15),
    "cropped by 10 % on one side": cropped(0.10, 0.10, sides=1),
    "cropped by 15 % on one side": cropped(0.15, 0.15, sides=1),
    "brightness, contrast up to 10 %": toned(0.10),
    "brightness, contrast up to 20 %": toned(0.20),
    "cropped by up to 10 %, turned": together(cropped(0, 0.10), turned),
    "cropped by up to 15 %, turned": together(cropped(0, 0.15), turned),
    "all, mildly": together(cropped(0, 0.08), turned, toned(0.1), scaled(0.5, 1.0), encoded(75)),
    "all, strongly": together(cropped(0, 0.15), turned, toned(0.2), scaled(0.3, 0.5), encoded(50)),
}


def main() -> None:
    arguments = _arguments()
    records = open_archive(arguments.path)
    random = np.random.default_rng(arguments.seed)
    originals = np.sort(random.permutation(len(records))[: arguments.copies])
    kinds = random.permutation(np.arange(len(originals)) % len(CHANGES))
    thumbnails = draw(records, originals, kinds, arguments.seed)
    start = time.perf_counter()
    pairs = find(thumbnails, limit=WIDEST)
    seconds = time.perf_counter() - start
    lesions = same_lesion_merged(records)
    lesion = np.concatenate([lesions, lesions[originals]])
    halves = random.permutation(np.arange(lesion.max() + 1) % 2)[lesion]  # 0: to choose on, 1: to report on
    chosen = choose_limit(pairs, lesion, halves)
    limit = chosen if arguments.limit is None else arguments.limit
    recall = recall_by_kind(pairs, originals, kinds, halves, len(records), limit)
    result = {
        "archive": records.layout.title,
        "images": len(records),
        "copies": len(originals),
        "seed": arguments.seed,
        "seconds": round(seconds, 1),
        "limit_chosen": chosen,
        "limit": limit,
        "recall": recall,
        "wrong_per_1000": wrong_per_1000(pairs, lesion, halves == 1, limit),
        "wrong_per_1000_by_limit": {
            f"{at:.2f}": wrong_per_1000(pairs, lesion, halves == 1, at) for at in (0.25, 0.3, 0.35, 0.4, 0.5)
        },
        "across_lesions": across_lesions(records, pairs, limit + 0.1),
    }
    show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


def draw(records: Records, originals: np.ndarray, kinds: np.ndarray, seed: int) -> np.ndarray:
    """The thumbnails of all images and, after them, of the copies."""
    thumbnails = paged(len(records) + len(originals), THUMBNAIL)
    copies = dict(zip(originals.tolist(), range(len(originals)), strict=True))
    changes = list(CHANGES.values())

    def read(start: int, stop: int) -> None:
        for row in range(start, stop):
            image = decode(records.read(row))
            thumbnails[row] = thumbnail(image)
            if row in copies:
                change = changes[kinds[copies[row]]]
                thumbnails[len(records) + copies[row]] = thumbnail(change(image, np.random.default_rng([seed, row])))

    in_chunks(len(records), read)
    return thumbnails


def same_lesion_merged(records: Records) -> np.ndarray:
    """The number of each image's lesion, with those merged that were seen to be the same."""
    numbers = np.unique(records.groups, return_inverse=True)[1]
    rows = {records.image_id(row): row for row in range(len(records))}
    for first, second in LOOKED_AT:
        if first in rows and second in rows:
            numbers[numbers == numbers[rows[second]]] = numbers[rows[first]]
    return numbers


def choose_limit(pairs: list[Pair], lesion: np.ndarray, halves: np.ndarray) -> float:
    """The largest limit, in steps of 0.01, at which at most one pair in 10,000 images of the first half is wrong."""
    limits = [step / 100 for step in range(1, round(100 * WIDEST) + 1)]
    return max(at for at in limits if wrong_per_1000(pairs, lesion, halves == 0, at) <= 0.1)


def wrong_per_1000(pairs: list[Pair], lesion: np.ndarray, counted: np.ndarray, limit: float) -> float:
    """Pairs of different lesions within a half, for each 1,000 of its images."""
    first, second, distance = np.array(pairs).T
    first, second = first.astype(int), second.astype(int)
    wrong = (lesion[first] != lesion[second]) & counted[first] & counted[second] & (distance <= limit)
    return round(1000 * int(wrong.sum()) / int(counted.sum()), 3)


def recall_by_kind(
    pairs: list[Pair], originals: np.ndarray, kinds: np.ndarray, halves: np.ndarray, images: int, limit: float
) -> dict[str, tuple[int, int]]:
    """For each change, how many of the second half's copies are paired with their originals, and how many there are."""
    found = {(pair.first, pair.second) for pair in pairs if pair.distance <= limit}
    recall = {}
    for kind, name in enumerate(CHANGES):
        mine = [
            (row, images + copy) for copy, row in enumerate(originals.tolist()) if kinds[copy] == kind and halves[row]
        ]
        recall[name] = sum(pair in found for pair in mine), len(mine)
    return recall


def across_lesions(records: Records, pairs: list[Pair], limit: float) -> list[tuple[str, str, float]]:
    """The pairs of the archive's own images that are of different lesions, to be looked at."""
    return [
        (records.image_id(first), records.image_id(second), round(distance, 3))
        for first, second, distance in pairs
        if second < len(records) and distance <= limit and records.groups[first] != records.groups[second]
    ]


def show(result: dict[str, object]) -> None:
    recall = result["recall"]
    print(f"{result['archive']}: {result['images']:,} images, {result['copies']:,} copies, {result['seconds']} s")
    print(f"limit chosen on the first half: {result['limit_chosen']}; used: {result['limit']}")
    for name, (found, copies) in recall.items():
        print(f"{name:34}{found:6,} of {copies:5,}{found / max(copies, 1):9.1%}")
    found, copies = np.sum(list(recall.values()), axis=0)
    print(f"{'all':34}{found:6,} of {copies:5,}{found / copies:9.1%}")
    print(f"wrong pairs per 1,000 images: {result['wrong_per_1000']}; by limit: {result['wrong_per_1000_by_limit']}")
    for first, second, distance in result["across_lesions"]:
        print(f"across lesions: {first} {second} {distance}")


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
