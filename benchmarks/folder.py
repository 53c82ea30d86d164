"""Prediction on a folder of images: how well decoding and computation share the cores, and whether memory grows.

    python benchmarks/folder.py starter FOLDER [--images 8519] [--without-trust]

Parts of the folder are decoded alone and computed alone (from decoded pixels), each in half of the cores, and predicted
in all cores, as by `residerm predict --out`; the three alternate, so that other load affects all of them. If decoding
and computation only overlapped, predicting would take as long as the slower of the two. Since every thread of `predict`
does both, it can be faster: at best, it takes half of their sum. `--without-trust` also predicts with the same model
without trust, in turns. Private memory is measured after each part.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np

from residerm.inference import Predictor, load, prediction
from residerm.inference.answers import Rule
from residerm.inference.sources import Source, find_sources
from residerm.parallel import cores

BATCH = 64
PART = 1024


def private_megabytes() -> float:
    """The private memory of this process."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def in_batches(items: Sequence) -> list[Sequence]:
    return [items[start : start + BATCH] for start in range(0, len(items), BATCH)]


def in_half_of_the_cores(work: Callable, *items: Iterable) -> list:
    with ThreadPoolExecutor(max(1, cores() // 2)) as pool:
        return list(pool.map(work, *items))


def decode(part: Sequence[Source], predictor: Predictor) -> list[np.ndarray | str]:
    return in_half_of_the_cores(lambda source: prediction._pixels(source, predictor), part)


def compute(part: Sequence[Source], pixels: Sequence[np.ndarray | str], rule: Rule) -> None:
    in_half_of_the_cores(
        lambda *batch: prediction._lines(rule, *batch, alone=False), in_batches(part), in_batches(pixels)
    )


def predict(part: Sequence[Source], predictor: Predictor, folder: Path) -> None:
    out = folder / f"{len(list(folder.iterdir()))}.csv"
    prediction.write_lines(prediction.predict(predictor, part, batch_size=BATCH), predictor, out)


def measure(predictor: Predictor, sources: Sequence[Source], bare: Predictor | None) -> tuple[dict, list[float]]:
    """The seconds of each kind of work on each part, and the memory after each part."""
    spent, memory, rule = defaultdict(list), [], Rule(predictor)

    def take(name: str, work: Callable, *arguments: object) -> object:
        began = time.perf_counter()
        found = work(*arguments)
        spent[name].append(time.perf_counter() - began)
        return found

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for start in range(0, len(sources), PART):
            part = sources[start : start + PART]
            pixels = take("decoding", decode, part, predictor)
            take("computation", compute, part, pixels, rule)
            del pixels
            take("both", predict, part, predictor, folder)
            if bare:
                take("both without trust", predict, part, bare, folder)
            memory.append(private_megabytes())
    return spent, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int)
    parser.add_argument("--without-trust", action="store_true")
    options = parser.parse_args()
    predictor = load(options.model)
    bare = Predictor(predictor.description, predictor._runtime) if options.without_trust else None
    sources = find_sources([options.folder]).images[: options.images]
    measure(predictor, sources[: 4 * BATCH], bare)  # warm-up
    spent, memory = measure(predictor, sources, bare)
    whole = {name: sum(seconds) for name, seconds in spent.items()}
    print(f"{predictor.runtime}, {cores()} cores, {len(sources):,} images")
    for name, seconds in whole.items():
        print(f"{name}: {seconds:.1f} s, {len(sources) / seconds:,.0f} images/s")
    slower, half = max(whole["decoding"], whole["computation"]), (whole["decoding"] + whole["computation"]) / 2
    print(f"slower one / both: {slower / whole['both']:.2f}; half of the sum / both: {half / whole['both']:.2f}")
    if bare:
        ratios = [one / other for one, other in zip(spent["both"], spent["both without trust"], strict=True)]
        print(f"both / both without trust: median {median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}")
    print("private memory after each part, MB: " + " ".join(f"{value:.0f}" for value in memory))


if __name__ == "__main__":
    main()
