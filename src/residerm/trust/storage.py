"""`trust.npz`: everything that was fitted, as arrays, including the summary as JSON. Nothing is ever unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from residerm.arrays import read_arrays, require_finite_arrays
from residerm.documents import newer_format
from residerm.errors import ResidermError, system_reason
from residerm.files import new_file
from residerm.trust.abstention import Abstention
from residerm.trust.calibration import Calibration
from residerm.trust.decision import MalignancyRule
from residerm.trust.judge import Judge
from residerm.trust.outliers import OutlierScorer, read_score
from residerm.trust.sets import PredictionSets
from residerm.trust.summary import TrustSummary

_MOST_BYTES = 1 << 28
_MAY_BE_INFINITE = ("thresholds", "abstention", "outlier_threshold")

Arrays = Mapping[str, np.ndarray]


class TrustError(ResidermError):
    """A `trust.npz` is damaged, or of another version of residerm."""


@dataclass(frozen=True, eq=False)
class Kept:
    """The content of the file."""

    summary: TrustSummary
    classes: tuple[str, ...]
    score: OutlierScorer
    one: Judge
    eight: Judge | None


def save(kept: Kept, path: Path) -> Path:
    """Write everything, never over an existing file."""
    arrays = {"summary": np.array(kept.summary.model_dump_json()), "classes": np.array(kept.classes)}
    arrays |= {f"score/{name}": values for name, values in kept.score.arrays().items()}
    arrays |= _of_judge(kept.one, "one")
    if kept.eight:
        arrays |= _of_judge(kept.eight, "eight")
    with new_file(path) as partial, partial.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
    return path


def load(path: Path) -> Kept:
    """Read a file; an error if it is damaged, too large or of another kind."""
    try:
        arrays = read_arrays(path, _MOST_BYTES)
        require_finite_arrays(arrays, infinite=_MAY_BE_INFINITE)
        return _read(arrays)
    except OSError as error:
        raise TrustError(f"{path}: {system_reason(error)}") from error
    except (ValueError, KeyError) as error:  # pydantic's errors are ValueErrors
        if isinstance(error, ValidationError) and (newer := newer_format(error)):
            raise TrustError(f"{path} {newer}") from error
        reason = str(error).partition("\n")[0]
        raise TrustError(
            f"{path} is damaged or of another version of residerm ({reason}); train the model again"
        ) from error


def _of_judge(judge: Judge, prefix: str) -> dict[str, np.ndarray]:
    abstention, decision = judge.abstention, judge.decision
    wrong = np.nan if abstention.wrong is None else abstention.wrong
    arrays = {
        "kind": np.array(judge.calibration.kind),
        "scale": judge.calibration.scale,
        "shift": judge.calibration.shift,
        "prior": np.zeros(0) if judge.calibration.prior is None else judge.calibration.prior,
        "coverage": np.array(judge.sets.coverage),
        "thresholds": judge.sets.thresholds,
        "by_class": judge.sets.by_class,
        "abstention": np.array([abstention.error_rate, abstention.threshold, abstention.answered, wrong]),
        "outlier_threshold": np.array(judge.outlier_threshold),
    }
    if decision:
        arrays |= {
            "malignant": decision.malignant,
            "malignancy": decision.probability,
            "positive": decision.positive,
            "lesion": decision.groups,
        }
    return {f"{prefix}/{name}": values for name, values in arrays.items()}


def _read(arrays: Arrays) -> Kept:
    summary = TrustSummary.model_validate_json(str(arrays["summary"]))
    classes = tuple(str(name) for name in arrays["classes"])
    score = read_score(summary.outliers.score, _part(arrays, "score"))
    eight = _part(arrays, "eight")
    return Kept(
        summary,
        classes,
        score,
        _read_judge(_part(arrays, "one"), len(classes)),
        _read_judge(eight, len(classes)) if eight else None,
    )


def _part(arrays: Arrays, prefix: str) -> dict[str, np.ndarray]:
    start = f"{prefix}/"
    return {name.removeprefix(start): values for name, values in arrays.items() if name.startswith(start)}


def _read_judge(arrays: Arrays, classes: int) -> Judge:
    for name in ("scale", "shift", "thresholds", "by_class"):
        if arrays[name].shape != (classes,):
            raise ValueError(f"{name} is not of {classes} classes")
    error_rate, threshold, answered, wrong = (float(value) for value in arrays["abstention"])
    kind = str(arrays["kind"])
    if kind not in ("none", "temperature", "vector"):
        raise ValueError(f"calibration {kind!r} is not known")
    return Judge(
        Calibration(kind, arrays["scale"], arrays["shift"], _read_prior(arrays, classes)),  # type: ignore[arg-type]
        PredictionSets(float(arrays["coverage"]), arrays["thresholds"], arrays["by_class"].astype(bool)),
        Abstention(error_rate, threshold, answered, None if np.isnan(wrong) else wrong),
        _read_decision(arrays, classes) if "malignant" in arrays else None,
        float(arrays["outlier_threshold"]),
    )


def _read_prior(arrays: Arrays, classes: int) -> np.ndarray | None:
    prior = arrays["prior"]
    if prior.shape not in ((0,), (classes,)):
        raise ValueError(f"prior is not of {classes} classes")
    return prior if len(prior) else None


def _read_decision(arrays: Arrays, classes: int) -> MalignancyRule:
    malignant, probability = arrays["malignant"].astype(bool), arrays["malignancy"]
    positive, groups = arrays["positive"].astype(bool), arrays["lesion"]
    if malignant.shape != (classes,) or not len(probability) == len(positive) == len(groups):
        raise ValueError("the probabilities of malignancy do not fit together")
    return MalignancyRule(malignant, probability, positive, groups)
