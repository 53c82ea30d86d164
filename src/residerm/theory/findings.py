"""What a check found: two computations of the same thing, and how far they are apart.

The error of an array is relative to the largest entry of the array that it is compared with,

    error = max |ours - theirs| / max |theirs|

so that entries which cancel to nearly nothing do not count for more than they are. Of several arrays, layers or random
networks the largest error counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BACKPROPAGATION, ADAM = 1e-10, 1e-12  # the largest errors allowed


@dataclass(frozen=True)
class Finding:
    """One equation: where it stands, what was compared, and what came out."""

    equation: str
    place: str
    compared: str
    error: float
    limit: float | None = BACKPROPAGATION  # None: nothing is claimed, the error is what was measured
    correction: str | None = None  # what the document misprints or claims too strongly
    remark: str | None = None  # what else should be known
    printed: float | None = None  # the error of the formula as printed

    @property
    def holds(self) -> bool:
        """Whether the equation holds, corrected where it has to be; NaN is no success."""
        return self.limit is None or self.error <= self.limit

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.limit is None:
            return "measured"
        if not self.holds:
            return "FAILS"
        return "corrected" if self.correction else "holds"

    def to_dict(self) -> dict[str, object]:
        """For a program to read."""
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
    """The largest error; NaN where one of them is."""
    return float(np.max(errors))


def _error(own: np.ndarray, other: np.ndarray) -> float:
    if own.shape != other.shape:
        raise ValueError(f"shapes {own.shape} and {other.shape} cannot be compared")
    apart, size = float(np.max(np.abs(own - other))), float(np.max(np.abs(other)))
    return apart if size == 0 else apart / size
