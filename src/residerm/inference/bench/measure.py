"""Measure the speed of networks in each runtime and precision, relative to eager PyTorch in float32.

    speeds = bench_inference(["resnet50", "tf_efficientnet_lite0"], sizes=(64, 224), batches=(1, 32))
    speeds.cases[0].ratios["openvino bf16"], speeds.mean_of_fastest("float32")

The runtimes of a case (a network, a size and a batch) are interleaved, and so are the cases in each round, so that
other load on the machine affects all of them; a ratio is the median of the ratios within a round. A name stands for the
network with random weights, which is as fast as a trained one. A run or a bundle is measured with its exports, which
passed the check of parity at the model's own size.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from residerm.inference.bench.contenders import Run, contenders, random_pixels
from residerm.inference.bench.networks import Network, find_networks
from residerm.inference.bench.speeds import EAGER, CaseSpeeds, Speeds
from residerm.parallel import cores
from residerm.processor import processor, processor_features
from residerm.progress import SILENT, Progress

_REST = 0.02  # seconds after which the threads of the previous runtime have stopped spinning
_LEAST = 0.05  # shortest duration of a measurement, in seconds
_LONG = 0.25  # duration of a run above which no warm-up run is needed, in seconds


def bench_inference(
    models: str | Path | Sequence[str | Path],
    *,
    sizes: Sequence[int] | None = None,
    batches: Sequence[int] = (1, 32),
    rounds: int = 5,
    minutes: float | None = None,
    threads: int | None = None,
    int8: bool = True,
    progress: Progress = SILENT,
) -> Speeds:
    """Measure networks by name, or runs and bundles with their exports.

    `sizes` are by default 64, 128 and 224 px for a name, and the model's own size for a run or a bundle. With
    `minutes`, no round except the first is started that would exceed this time. Ctrl-C returns what was measured so
    far. `int8=False` leaves out the int8 of networks by name, which takes long to prepare.
    """
    import torch

    began = time.perf_counter()
    networks = find_networks([models] if isinstance(models, str | Path) else models, sizes)
    for network in networks:
        if network.description and not network.reduced:
            progress.remark(f"{network.name} has no export in bf16 or int8, so only float32 is measured")
    threads = threads or cores()
    torch.set_num_threads(threads)
    with ExitStack() as stack:
        cases = [(network, size) for network in networks for size in network.sizes]
        built = list[_Turns]()
        for number, (network, size) in enumerate(cases):
            progress.advance("building", number, len(cases), unit="networks", note=f"{network.name}, {size} px")
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            runs = contenders(network, size, folder, threads, int8=int8)
            built += [_Turns(network, size, batch, runs) for batch in batches]
        progress.advance("building", len(cases), len(cases), unit="networks")
        interrupted = _take(built, rounds, began, minutes, progress)
    return Speeds(
        processor=processor(), features=processor_features(), threads=threads,
        cases=tuple(turns.case() for turns in built if turns.rounds), interrupted=interrupted,
    )  # fmt: skip


def _take(built: Sequence[_Turns], rounds: int, began: float, minutes: float | None, progress: Progress) -> bool:
    """Warm up, report the expected time, and measure; return whether it was interrupted."""
    expected = sum(turns.warm_up() for turns in built)
    least = min(rounds * expected / 60, minutes or float("inf"))
    progress.remark(
        f"{rounds} rounds take about {least:,.1f} minutes; `minutes` sets a limit, and Ctrl-C shows the results so far"
    )
    total = rounds * len(built)
    try:
        for number in range(rounds):
            since = time.perf_counter()
            for place, turns in enumerate(built):
                progress.advance("measuring", number * len(built) + place, total, unit="cases", note=turns.name)
                turns.take()
            now = time.perf_counter()
            if minutes and (now - began) + (now - since) > 60 * minutes:
                break
    except KeyboardInterrupt:
        if not any(turns.rounds for turns in built):
            raise
        return True
    finally:
        progress.advance("measuring", total, total, unit="cases")
    return False


class _Turns:
    """The runtimes of one case, measured alternately; an interrupted round does not count."""

    def __init__(self, network: Network, size: int, batch: int, runs: Mapping[str, Run]) -> None:
        self.name = f"{network.name}, {size} px, {batch}"
        self.rounds = 0
        self._network, self._pixels, self._runs = network, random_pixels(batch, size), runs
        self._long = set[str]()
        self._seconds: dict[str, list[float]] = {name: [] for name in runs}

    def warm_up(self) -> float:
        """Run everything once, and return the expected seconds of a round."""
        expected = 0.0
        for name, run in self._runs.items():
            spent = _mean_seconds(run, self._pixels, at_least=0)
            if spent > _LONG:
                self._long.add(name)
            expected += _REST + max(spent, _LEAST) + (0 if name in self._long else spent)
        return expected

    def take(self) -> None:
        """Measure all runtimes once, in reverse order every other time."""
        found = {}
        for name in list(self._runs)[:: -1 if self.rounds % 2 else 1]:
            time.sleep(_REST)
            if name not in self._long:
                self._runs[name](self._pixels)
            found[name] = _mean_seconds(self._runs[name], self._pixels, at_least=_LEAST)
        for name, seconds in found.items():
            self._seconds[name].append(seconds)
        self.rounds += 1

    def case(self) -> CaseSpeeds:
        """The medians over the rounds."""
        batch, size = self._pixels.shape[:2]
        eager = self._seconds[EAGER]
        return CaseSpeeds(
            model=self._network.name,
            size=size,
            batch=batch,
            rounds=self.rounds,
            milliseconds={name: 1000 * statistics.median(own) / batch for name, own in self._seconds.items()},
            ratios={
                name: statistics.median(its / one for its, one in zip(eager, own, strict=True))
                for name, own in self._seconds.items()
            },
            parity={name: found for name, found in self._network.passed.items() if name in self._runs},
        )


def _mean_seconds(run: Run, pixels: np.ndarray, at_least: float) -> float:
    """The mean time of a run, over as many runs as take at least `at_least` seconds."""
    began, count = time.perf_counter(), 0
    while True:
        run(pixels)
        count += 1
        spent = time.perf_counter() - began
        if spent >= at_least:
            return spent / count
