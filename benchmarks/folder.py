"""Prediction on a folder of images: how well decoding and computation overlap, and whether memory grows.

    python benchmarks/folder.py starter FOLDER [--images 8519] [--threads 1] [--decoders 1]

Decoding alone, computation alone (on decoded pixels) and both, as in `residerm predict --out`, alternate over parts of
the folder, so that other load affects all three. If there are as many threads and decoders as cores, decoding and
computation each use the whole machine, and the best possible time for both is their sum. With one of each on two cores,
it is the slower of the two. Each part starts with nothing decoded, unlike `predict`, which has no parts.

With `--threads 1` the main thread computes alone. The time for which it was ready and had no core (Linux counts it) is
what other processes cost: the ratio without it is that of an idle machine. Private memory is measured after each part.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from residerm.inference import Predictor, load, prediction
from residerm.inference.answers import Rule
from residerm.inference.sources import Source, find_sources

BATCH = 64
PART = 2048


def private_megabytes() -> float:
    """The private memory of this process."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def waited() -> float:
    """Seconds for which the main thread, which runs the network, was ready and had no core."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


def decode(sources: Sequence[Source], predictor: Predictor) -> list[np.ndarray | str]:
    return [one for _, pixels in prediction._decoded(sources, predictor, BATCH) for one in pixels]


def answer(pixels: Sequence[np.ndarray | str], sources: Sequence[Source], rule: Rule) -> None:
    for start in range(0, len(pixels), BATCH):
        some = slice(start, start + BATCH)
        deque(prediction._lines(rule, sources[some], pixels[some]), maxlen=0)


class Clock:
    """The seconds of each kind of work, and those of them for which the main thread waited for a core."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(("decoding", "arithmetic", "both"), 0.0)
        self.waited = dict(self.spent)

    def take(self, name: str, work: Callable[[], object]) -> object:
        """Do some work of a kind, and count its time."""
        began, before = time.perf_counter(), waited()
        found = work()
        self.spent[name] += time.perf_counter() - began
        self.waited[name] += waited() - before
        return found

    def ratio(self, *, idle: bool) -> float:
        """The slower of the two alone, as a share of both; `idle`: without the main thread's waiting."""
        left = {name: spent - (self.waited[name] if idle else 0) for name, spent in self.spent.items()}
        alone = self.spent["decoding"] if self.spent["decoding"] > self.spent["arithmetic"] else left["arithmetic"]
        return alone / left["both"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--decoders", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    prediction.cores = lambda: options.decoders
    predictor = load(options.model, threads=options.threads)
    rule = Rule(predictor)
    sources = find_sources([options.folder]).images[: options.images]
    answer(decode(sources[:BATCH], predictor), sources[:BATCH], rule)  # warm-up
    clock, memory = Clock(), []
    with tempfile.TemporaryDirectory() as folder:
        for start in range(0, len(sources), PART):
            part = sources[start : start + PART]
            pixels = clock.take("decoding", lambda part=part: decode(part, predictor))
            clock.take("arithmetic", lambda part=part, pixels=pixels: answer(pixels, part, rule))
            out = Path(folder) / f"{start}.csv"
            lines = prediction.predict(predictor, part, batch_size=BATCH)
            clock.take("both", lambda lines=lines, out=out: prediction.write_lines(lines, predictor, out))
            del pixels
            memory.append(private_megabytes())
    for name, spent in clock.spent.items():
        print(f"{name}: {spent:.1f} s, {len(sources) / spent:,.0f} images/s; without a core {clock.waited[name]:.1f} s")
    whole = clock.spent["decoding"] + clock.spent["arithmetic"]
    threads = options.threads or "all"
    print(f"{predictor.runtime}, {threads} threads, {options.decoders} decoders, {len(sources):,} images")
    print(f"slower one / both: {clock.ratio(idle=False):.2f}; sum / both: {whole / clock.spent['both']:.2f}")
    if options.threads == 1:
        print(f"slower one / both, without the waiting: {clock.ratio(idle=True):.2f}")
    print("private memory after each part, MB: " + " ".join(f"{value:.0f}" for value in memory))


if __name__ == "__main__":
    main()
