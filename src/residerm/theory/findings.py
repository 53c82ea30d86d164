"""The results of checks: two computations of the same quantity, and their difference.

The error of an array is relative to the largest entry of the array with which it is compared,

    error = max |ours - theirs| / max |theirs|

so that entries that nearly cancel are not overrated. Over several arrays, layers or random networks, the largest error
is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

BACKPROPAGATION, ADAM = 1e-10, 1e-12  # the largest errors allowed


class EquationCheckDict(TypedDict):
    """A finding as plain data."""

    equation: str
    place: str
    compared: str
    largest_relative_error: float
    limit: float | None
    verdict: str
    correction: str | None
    remark: str | None
    error_as_printed: float | None


@dataclass(frozen=True)
class EquationCheck:
    """One equation: its place in the documents, what was compared, and the error."""

    equation: str
    place: str
    compared: str
    error: float
    limit: float | None = BACKPROPAGATION  # None: no claim, the error is only measured
    correction: str | None = None  # what is misprinted or overstated in the document
    remark: str | None = None  # an additional note
    printed: float | None = None  # the error of the formula as printed

    @property
    def holds(self) -> bool:
        """Whether the equation holds, after correction where needed; NaN is a failure."""
        return self.limit is None or self.error <= self.limit

    @property
    def verdict(self) -> str:
        """The result in one word."""
        if self.limit is None:
            return "measured"
        if not self.holds:
            return "FAILS"
        return "corrected" if self.correction else "holds"

    def to_dict(self) -> EquationCheckDict:
        """The finding as plain data, for JSON."""
        return {
            "equation": self.equation,
            "place": self.place,
            "compared": self.compared,
            "largest_relative_error": self.error,
            "limit": self.limit,
            "verdict": self.verdict,
            "correction": self.correction,
            "remark": self.remark,
            "error_as_printed": self.printed,
        }


def error_between(ours: Iterable[Any], theirs: Iterable[Any]) -> float:
    """The largest relative error of arrays or numbers, pair by pair."""
    return max(_error(np.asarray(own), np.asarray(other)) for own, other in zip(ours, theirs, strict=True))


def largest(errors: Sequence[float]) -> float:
    """The largest error; NaN if any of them is."""
    return float(np.max(errors))


def _error(own: np.ndarray, other: np.ndarray) -> float:
    if own.shape != other.shape:
        raise ValueError(f"shapes {own.shape} and {other.shape} cannot be compared")
    apart, size = float(np.max(np.abs(own - other))), float(np.max(np.abs(other)))
    return apart if size == 0 else apart / size
