"""How much the probabilities of a run depend on the batch size and the precision, and images per second.

    python benchmarks/prediction.py RUN PATH [--images 512]

Differences are the largest ones between probabilities, over all images and classes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from residerm.data.archives import open_archive
from residerm.data.loading.cache import open_cache
from residerm.inference import Predictor, load

BATCHES = (1, 7, 64)


def probabilities(predictor: Predictor, pixels: np.ndarray, batch: int) -> np.ndarray:
    return np.concatenate(
        [predictor.outputs(pixels[start : start + batch]).probabilities for start in range(0, len(pixels), batch)]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("path", type=Path)
    parser.add_argument("--images", type=int, default=512)
    options = parser.parse_args()
    records = open_archive(options.path)
    spec = load(options.run).description.pixels
    rows = np.random.default_rng(0).permutation(len(records))[: options.images]
    pixels = open_cache(records, spec).pixels[rows]
    exact = None
    for precision in ("float32", "bf16"):
        predictor = load(options.run, precision=precision)
        found = {}
        for batch in BATCHES:
            probabilities(predictor, pixels[:batch], batch)
            began = time.perf_counter()
            found[batch] = probabilities(predictor, pixels, batch)
            print(f"{precision}, batches of {batch}: {len(pixels) / (time.perf_counter() - began):,.0f} images/s")
        last = found[BATCHES[-1]]
        spread = max(float(np.abs(values - last).max()) for values in found.values())
        backwards = probabilities(predictor, np.ascontiguousarray(pixels[::-1]), 64)[::-1]
        order = float(np.abs(backwards - last).max())
        print(f"{precision}: largest difference between batch sizes {spread:.1e}, with another order {order:.1e}")
        exact = last if exact is None else exact
        same = float((last.argmax(1) == exact.argmax(1)).mean())
        print(f"{precision}: largest difference from float32 {np.abs(last - exact).max():.1e}; same class {same:.1%}")


if __name__ == "__main__":
    main()
