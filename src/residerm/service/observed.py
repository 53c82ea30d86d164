"""The observed accuracy at a confidence: the reliability of the model on its own test part, if it was evaluated.

A model without a test part can have `observed.json`, from networks that were trained in the same way. Otherwise it is
read from `scores.json`, next to the model's files or in their run. Only evaluations of the test part are used, with one
view, in the model's own classes, and of the probabilities that are served: calibrated ones if trust has been fitted.
Ranges with fewer than 20 images are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from residerm.documents import Document, DocumentError
from residerm.inference import Predictor
from residerm.inference.observations import OBSERVED, Observations
from residerm.runs.evaluations import EVALUATIONS, SCORES, EvaluationScores
from residerm.scores.results import ReliabilityBin
from residerm.service.answers import Observed

_FEWEST = 20
_Z = 1.959964
_TEST = "test"
_File = TypeVar("_File", bound=Document)


def read_observed(predictor: Predictor, folder: Path | None) -> tuple[Observed, ...]:
    """The observed accuracy by range of confidence; empty if there is no suitable evaluation."""
    if folder is None:
        return ()
    if predictor.trust is not None and (kept := _read(Observations, folder / OBSERVED)):
        return _ranges(kept.ranges, kept.where)
    for path in _places(folder):
        scores = _read(EvaluationScores, path)
        if scores and _fits(scores, predictor):
            return _ranges(_bins(scores, predictor), f"the test part of {scores.archive}")
    return ()


def at(confidence: float, observed: Sequence[Observed]) -> Observed | None:
    """The range that contains a confidence."""
    return next((one for one in observed if one.low <= confidence <= one.high), None)


def _read(kind: type[_File], path: Path) -> _File | None:
    """Read a document; None if it is missing or of another version, because the service does not need it."""
    try:
        return kind.read(path)
    except DocumentError:
        return None


def _ranges(bins: Sequence[ReliabilityBin], part: str) -> tuple[Observed, ...]:
    return tuple(
        Observed(
            low=one.low,
            high=one.high,
            correct=round(one.accuracy, 4),
            interval=_interval(one),
            images=one.n,
            part=part,
        )
        for one in bins
        if one.n >= _FEWEST
    )


def _interval(one: ReliabilityBin) -> tuple[float, float]:
    """The 95 % interval of Wilson (1927), which needs no SciPy."""
    share, weight = one.accuracy, _Z**2 / one.n
    middle = share + weight / 2
    half = math.sqrt(weight * (share * (1 - share) + weight / 4))
    return round((middle - half) / (1 + weight), 4), round((middle + half) / (1 + weight), 4)


def _places(folder: Path) -> Iterator[Path]:
    yield folder / SCORES
    yield from sorted((folder.parent / EVALUATIONS).glob(f"*/{SCORES}"))


def _fits(scores: EvaluationScores, predictor: Predictor) -> bool:
    own = scores.classes == predictor.description.classes
    as_served = not (scores.tta or scores.prior or scores.without)
    return scores.part == _TEST and own and as_served


def _bins(scores: EvaluationScores, predictor: Predictor) -> Sequence[ReliabilityBin]:
    if predictor.trust is None:
        return scores.reliability
    calibration = scores.trust.calibration if scores.trust else None
    return calibration.reliability_after if calibration else ()
