"""What was observed at a confidence: the reliability of the model on its own test part, where an evaluation is at hand.

A model without a test part brings `observed.json`, from networks that were trained in the same way. Otherwise it is
read from `scores.json`: beside the model's files, or in the run that they lie in. Only an evaluation of the test part
counts, of one view, of the model's own classes, and of the probabilities that are served: calibrated ones where trust
has been fitted. A range with fewer than 20 images says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from residerm.documents import Document, DocumentError
from residerm.inference import Predictor
from residerm.inference.observations import OBSERVED, Observations
from residerm.runs.evaluations import SCORES, EvaluationScores
from residerm.scores.results import ReliabilityBin
from residerm.service.answers import Observed

_FEWEST = 20
_TEST = "test"
_File = TypeVar("_File", bound=Document)


def read_observed(predictor: Predictor, folder: Path | None) -> tuple[Observed, ...]:
    """What was observed, by ranges of confidence; nothing where no evaluation fits."""
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
    """What was observed at a confidence."""
    return next((one for one in observed if one.low <= confidence <= one.high), None)


def _read(kind: type[_File], path: Path) -> _File | None:
    """A document; None where there is none, or one of another version: the service does not need it."""
    try:
        return kind.read(path)
    except DocumentError:
        return None


def _ranges(bins: Sequence[ReliabilityBin], part: str) -> tuple[Observed, ...]:
    return tuple(
        Observed(low=one.low, high=one.high, correct=round(one.accuracy, 4), images=one.n, part=part)
        for one in bins
        if one.n >= _FEWEST
    )


def _places(folder: Path) -> Iterator[Path]:
    yield folder / SCORES
    yield from sorted((folder.parent / "evaluations").glob(f"*/{SCORES}"))


def _fits(scores: EvaluationScores, predictor: Predictor) -> bool:
    own = scores.classes == predictor.description.classes
    as_served = not (scores.tta or scores.prior or scores.without)
    return scores.part == _TEST and own and as_served


def _bins(scores: EvaluationScores, predictor: Predictor) -> Sequence[ReliabilityBin]:
    if predictor.trust is None:
        return scores.reliability
    calibration = scores.trust.calibration if scores.trust else None
    return calibration.reliability_after if calibration else ()
