"""The paired differences between two runs on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from residerm.report.estimates import HEADLINE, SCORES, ScoreText, counted
from residerm.runs import RunComparison
from residerm.scores import Estimate, McNemar


@dataclass(frozen=True)
class Difference:
    """The score of this run minus that of the other."""

    score: ScoreText
    text: str
    verdict: str


@dataclass(frozen=True)
class ShownComparison:
    """All differences from another run, with a sentence about McNemar's test."""

    against: str
    text: str
    rows: Sequence[Difference]


def shown_comparison(given: RunComparison) -> ShownComparison:
    """Format the content of comparison.json."""
    found = given.differences
    rows = [_difference(SCORES[name], found[name]) for name in HEADLINE if name in found]
    return ShownComparison(given.against, f"On {counted(given.images, 'image')}. {_mcnemar(given.mcnemar)}", rows)


def _difference(score: ScoreText, estimate: Estimate) -> Difference:
    if estimate.value is None:
        return Difference(score, "–", estimate.reason)
    scale, unit = (100, " points") if score.is_rate else (1, "")
    digits = 1 if score.is_rate else 3
    text = f"{scale * estimate.value:+.{digits}f}{unit}"
    if estimate.interval:
        low, high = estimate.interval
        text += f" ({scale * low:+.{digits}f} to {scale * high:+.{digits}f})"
    return Difference(score, text.replace("-", "−"), _verdict(score, estimate))


def _verdict(score: ScoreText, estimate: Estimate) -> str:
    side = estimate.relative_to(0.0)
    if side is None:
        return f"no interval: {estimate.reason}"
    if side == 0:
        return "the interval includes 0: no difference is shown"
    return "this run is better" if (side > 0) == score.higher_is_better else "the other run is better"


def _mcnemar(test: McNemar) -> str:
    p, own, other = test.p, test.first_only, test.second_only
    return (
        f"{counted(own, 'image')} {'is' if own == 1 else 'are'} classified correctly only by this run, {other:,} only "
        f"by the other. If both were equally accurate, a difference at least as large would have p "
        f"{'< 0.001' if p < 0.001 else f'= {p:.3f}'} (McNemar’s test, which assumes independent images although those "
        "of one lesion are similar: the intervals are more reliable)."
    )
