"""How scores are formatted: the value with its 95 % interval, or the reason why there is none.

    SCORES["accuracy"].text(Estimate(value=0.712, low=0.66, high=0.75, n=1700))
    71.2 % (66.0 to 75.0 %)

`SCORES` has the title, number format and better direction of each score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from residerm.scores import Estimate


def rate(value: float) -> str:
    """Format a fraction as per cent."""
    return f"{100 * value:.1f}"


def number(value: float) -> str:
    """Format any other score."""
    return f"{value:.3f}"


def counted(count: int, thing: str) -> str:
    """A number and a noun, in the plural if needed."""
    return f"{count:,} {thing}{'s' * (count != 1)}"


@dataclass(frozen=True)
class ScoreText:
    """The title and format of a score."""

    title: str
    is_rate: bool = False
    higher_is_better: bool = True

    @property
    def name(self) -> str:
        """The title inside a sentence."""
        as_it_is = self.title[:2].isupper() or self.title.startswith("Brier")
        return self.title if as_it_is else self.title[:1].lower() + self.title[1:]

    @property
    def from_0_to_1(self) -> bool:
        """Whether it can be shown on a scale from 0, the worst, to 1, the best."""
        return self.higher_is_better

    def write(self, value: float) -> str:
        """Format a value with its unit."""
        return f"{rate(value)} %" if self.is_rate else number(value)

    def write_bounds(self, low: float, high: float) -> str:
        """Format both ends of an interval."""
        return f"{rate(low)} to {rate(high)} %" if self.is_rate else f"{number(low)} to {number(high)}"

    def bounds(self, estimate: Estimate) -> str:
        """The interval as text; empty if there is none."""
        return self.write_bounds(*estimate.interval) if estimate.interval else ""

    def text(self, estimate: Estimate) -> str:
        """The value and interval as text, or why one is missing."""
        if estimate.value is None:
            return f"– ({estimate.reason})"
        return f"{self.write(estimate.value)} ({self.bounds(estimate) or f'no interval: {estimate.reason}'})"


SCORES: Mapping[str, ScoreText] = MappingProxyType(
    {
        "balanced_accuracy": ScoreText("Balanced accuracy", is_rate=True),
        "macro_auc": ScoreText("Macro AUC"),
        "accuracy": ScoreText("Accuracy", is_rate=True),
        "majority_accuracy": ScoreText("Majority accuracy", is_rate=True),
        "top_2_accuracy": ScoreText("Top-2 accuracy", is_rate=True),
        "top_3_accuracy": ScoreText("Top-3 accuracy", is_rate=True),
        "macro_f1": ScoreText("Macro F1"),
        "weighted_f1": ScoreText("Weighted F1"),
        "macro_precision": ScoreText("Macro precision", is_rate=True),
        "weighted_precision": ScoreText("Weighted precision", is_rate=True),
        "macro_recall": ScoreText("Macro recall", is_rate=True),
        "weighted_recall": ScoreText("Weighted recall", is_rate=True),
        "log_loss": ScoreText("Log loss", higher_is_better=False),
        "brier_score": ScoreText("Brier score", higher_is_better=False),
        "calibration_error": ScoreText("Calibration error", higher_is_better=False),
        "sensitivity": ScoreText("Sensitivity", is_rate=True),
        "specificity": ScoreText("Specificity", is_rate=True),
        "precision": ScoreText("Precision", is_rate=True),
        "negative_predictive_value": ScoreText("Negative predictive value", is_rate=True),
        "f1": ScoreText("F1"),
        "auc": ScoreText("AUC"),
        "average_precision": ScoreText("Average precision"),
        "auc_above_80_sensitivity": ScoreText("AUC above 80 % sensitivity"),
        "sensitivity_at_90_specificity": ScoreText("Sensitivity at 90 % specificity", is_rate=True),
        "specificity_at_90_sensitivity": ScoreText("Specificity at 90 % sensitivity", is_rate=True),
    }
)
HEADLINE = (
    "balanced_accuracy", "macro_auc", "accuracy", "majority_accuracy", "top_2_accuracy", "top_3_accuracy", "macro_f1",
    "weighted_f1", "macro_precision", "weighted_precision", "macro_recall", "weighted_recall", "log_loss",
    "brier_score", "calibration_error",
)  # fmt: skip
