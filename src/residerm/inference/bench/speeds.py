"""The results: the times of every runtime for each network, size and batch, and their ratios to eager PyTorch."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable

from pydantic import BaseModel, ConfigDict, Field

EAGER = "torch eager float32"


class CaseSpeeds(BaseModel):
    """One network, size and batch: the median time per image in each runtime, and the median ratio to eager PyTorch.

    The name of a runtime ends with its precision. `parity` has those in lower precision that are exports of a trained
    model, and therefore passed, each with what was measured; it holds at the model's own size.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    size: int
    batch: int
    rounds: int
    milliseconds: dict[str, float]
    ratios: dict[str, float]
    parity: dict[str, str] = Field({}, description="Runtime → measurements of the export.")

    def fastest(self, precisions: Collection[str]) -> float | None:
        """The largest ratio among the runtimes of these precisions; None without such a runtime."""
        return max((ratio for name, ratio in self.ratios.items() if name.split()[-1] in precisions), default=None)

    @property
    def fastest_accurate(self) -> float:
        """The largest ratio among the runtimes in float32 and those that passed the check of parity."""
        return max(ratio for name, ratio in self.ratios.items() if name.endswith(" float32") or name in self.parity)


class Speeds(BaseModel):
    """All measurements, and the processor."""

    model_config = ConfigDict(frozen=True)

    processor: str
    features: tuple[str, ...]
    threads: int
    cases: tuple[CaseSpeeds, ...]
    interrupted: bool

    def mean_ratio(self, runtime: str) -> float | None:
        """The geometric mean of a runtime's ratios; None if it was not measured in every case."""
        return _geometric_mean(case.ratios.get(runtime) for case in self.cases)

    def mean_of_fastest(self, *precisions: str) -> float | None:
        """The geometric mean, over all cases, of the fastest runtime in one of these precisions."""
        return _geometric_mean(case.fastest(precisions) for case in self.cases)

    @property
    def mean_of_fastest_accurate(self) -> float | None:
        """The geometric mean, over all cases, of the fastest runtime in float32 or with parity passed."""
        return _geometric_mean(case.fastest_accurate for case in self.cases)

    @property
    def runtimes(self) -> list[str]:
        """The names of all runtimes, also of those that were measured in some cases only."""
        return list(dict.fromkeys(name for case in self.cases for name in case.ratios))

    @property
    def parity(self) -> list[str]:
        """What was measured of each export."""
        return list(dict.fromkeys(found for case in self.cases for found in case.parity.values()))

    def of(self, model: str) -> Speeds:
        """Only the cases of one network."""
        return self.model_copy(update={"cases": tuple(case for case in self.cases if case.model == model)})


def _geometric_mean(ratios: Iterable[float | None]) -> float | None:
    found = list(ratios)
    known = [ratio for ratio in found if ratio]
    return statistics.geometric_mean(known) if known and len(known) == len(found) else None
