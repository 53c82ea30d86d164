"""Differences between groups of patients: a group against all others whose group is known.

Three scores are compared that do not depend on how frequent each diagnosis is in a group:

    balanced_accuracy    over the classes with at least ten lesions in the group and outside, at least two classes
    sensitivity          to malignancy
    coverage             of the prediction sets

Groups differ in more than the attribute, for example in how typical their lesions are, so a difference is not by itself
a bias of the model. P-values are derived from the intervals and adjusted by Holm's method over all comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from residerm.scores.bootstrap import Bootstrap
from residerm.scores.curves import ratio
from residerm.scores.results import Estimate
from residerm.scores.trust_results import GroupDifference

FEWEST_LESIONS = 30  # of a group, and of the others
FEWEST_OF_CLASS = 10
FEWEST_CLASSES = 2
_WIDTH = 2 * 1.959964  # standard errors in a 95 % interval


@dataclass(frozen=True, eq=False)
class Compared:
    """Scored images with the attributes and results to compare."""

    labels: np.ndarray
    predicted: np.ndarray
    groups: np.ndarray  # lesions, numbered from 0
    malignant: np.ndarray | None  # (classes,) of bool
    inside: np.ndarray | None  # whether the prediction set contains the true class


def differences(
    given: Compared, attributes: Mapping[str, Sequence[str]], bootstrap: Bootstrap
) -> tuple[tuple[GroupDifference, ...], dict[str, str]]:
    """Every difference with enough lesions, and the reason for attributes without any."""
    found: list[GroupDifference] = []
    left: dict[str, str] = {}
    for attribute, texts in attributes.items():
        values = np.array([value or "" for value in texts])
        known = _known(values)
        known = known[:1] if len(known) == 2 else known  # of two, the second is the first negated
        own = [one for value in known for one in _of_value(given, attribute, value, values, bootstrap)]
        found += own
        if not own:
            left[attribute] = _why_not(values, given)
    return _adjusted(found), left


def holm(values: Sequence[float]) -> list[float]:
    """P-values adjusted for multiple comparisons, in the same order."""
    order = np.argsort(values)
    factors = np.arange(len(values), 0, -1)
    raised = np.minimum(np.maximum.accumulate(np.asarray(values)[order] * factors), 1)
    adjusted = np.empty(len(values))
    adjusted[order] = raised
    return [float(value) for value in adjusted]


def _known(values: np.ndarray) -> list[str]:
    return sorted(set(values.tolist()) - {"", "unknown"})


def _of_value(
    given: Compared, attribute: str, value: str, values: np.ndarray, bootstrap: Bootstrap
) -> list[GroupDifference]:
    one, rest = values == value, np.isin(values, _known(values)) & (values != value)
    lesions, others = (len(np.unique(given.groups[some])) for some in (one, rest))
    if min(lesions, others) < FEWEST_LESIONS:
        return []
    rows = one | rest
    estimates = _estimates(given, one, rest, rows, bootstrap)
    return [
        GroupDifference(
            attribute=attribute, value=value, score=score, lesions=lesions, others=others,
            difference=estimate, p=_p(estimate),
        )
        for score, estimate in estimates.items()
    ]  # fmt: skip


def _estimates(
    given: Compared, one: np.ndarray, rest: np.ndarray, rows: np.ndarray, bootstrap: Bootstrap
) -> dict[str, Estimate]:
    right = given.predicted == given.labels
    ratios: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}  # score → pairs of numerator and denominator
    classes = [given.labels == label for label in np.unique(given.labels)]
    shared = [own for own in classes if _enough(given, own, one, rest)]
    if len(shared) >= FEWEST_CLASSES:
        ratios["balanced_accuracy"] = [(right, own) for own in shared]
    if given.malignant is not None:
        sick = given.malignant[given.labels]
        if _enough(given, sick, one, rest):
            ratios["sensitivity"] = [(given.malignant[given.predicted], sick)]
    if given.inside is not None:
        ratios["coverage"] = [(given.inside, np.ones(len(right), dtype=bool))]

    def values(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {
            score: np.mean([_share(weights, pair, one[rows], rows) for pair in pairs], axis=0)
            - np.mean([_share(weights, pair, rest[rows], rows) for pair in pairs], axis=0)
            for score, pairs in ratios.items()
        }

    groups = np.unique(given.groups[rows], return_inverse=True)[1]
    found = bootstrap.estimates(values, groups) if ratios else {}
    return {score: estimate.model_copy(update={"n": int(rows.sum())}) for score, estimate in found.items()}


def _share(weights: np.ndarray, pair: tuple[np.ndarray, np.ndarray], side: np.ndarray, rows: np.ndarray) -> np.ndarray:
    counted, among = pair[0][rows], pair[1][rows] & side
    total = weights @ among
    ratios: np.ndarray = np.where(total > 0, ratio(weights @ (counted & among), np.maximum(total, 1e-12)), np.nan)
    return ratios


def _enough(given: Compared, own: np.ndarray, one: np.ndarray, rest: np.ndarray) -> bool:
    return min(len(np.unique(given.groups[own & side])) for side in (one, rest)) >= FEWEST_OF_CLASS


def _p(estimate: Estimate) -> float | None:
    """The two-sided p-value for no difference, derived from an interval."""
    if estimate.interval is None or estimate.value is None:
        return None
    error = (estimate.interval[1] - estimate.interval[0]) / _WIDTH
    return math.erfc(abs(estimate.value) / error / math.sqrt(2))


def _adjusted(found: Sequence[GroupDifference]) -> tuple[GroupDifference, ...]:
    tested = [one for one in found if one.p is not None]
    adjusted = dict(zip(map(id, tested), holm([one.p or 0.0 for one in tested]), strict=True))
    return tuple(one.model_copy(update={"p_adjusted": adjusted.get(id(one))}) for one in found)


def _why_not(values: np.ndarray, given: Compared) -> str:
    known = _known(values)
    if len(known) < 2:
        return "there are fewer than two known groups"
    lesions = {value: len(np.unique(given.groups[values == value])) for value in known}
    counts = ", ".join(f"{value} {count}" for value, count in lesions.items())
    return f"no group has {FEWEST_LESIONS} lesions both inside and outside of it ({counts})"
