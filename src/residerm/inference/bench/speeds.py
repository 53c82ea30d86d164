"""The results: the times of every runtime for each network, size and batch, and their ratios to eager PyTorch."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable

from pydantic import BaseModel, ConfigDict

EAGER = "torch eager float32"


class Case(BaseModel):
    """One network, size and batch: the median time per image in each runtime, and the median ratio to eager PyTorch.

    The name of a runtime ends with its precision.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    size: int
    batch: int
    rounds: int
    milliseconds: dict[str, float]
    ratios: dict[str, float]

    def fastest(self, precisions: Collection[str]) -> float | None:
        """The largest ratio among the runtimes of these precisions; None without such a runtime."""
        return max((ratio for name, ratio in self.ratios.items() if name.split()[-1] in precisions), default=None)


class Speeds(BaseModel):
    """All measurements, and the processor."""

    model_config = ConfigDict(frozen=True)

    processor: str
    features: tuple[str, ...]
    threads: int
    cases: tuple[Case, ...]
    interrupted: bool

    def mean_ratio(self, runtime: str) -> float | None:
        """The geometric mean of a runtime's ratios; None if it was not measured in every case."""
        return _geometric_mean(case.ratios.get(runtime) for case in self.cases)

    def mean_of_fastest(self, *precisions: str) -> float | None:
        """The geometric mean, over all cases, of the fastest runtime in one of these precisions."""
        return _geometric_mean(case.fastest(precisions) for case in self.cases)

    def of(self, model: str) -> Speeds:
        """Only the cases of one network."""
        return self.model_copy(update={"cases": tuple(case for case in self.cases if case.model == model)})


def _geometric_mean(ratios: Iterable[float | None]) -> float | None:
    found = list(ratios)
    known = [ratio for ratio in found if ratio]
    return statistics.geometric_mean(known) if known and len(known) == len(found) else None
