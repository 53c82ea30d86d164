"""Sentences and a table about how faithful the explanations in a report are."""

from __future__ import annotations

from residerm.report.estimates import rate
from residerm.runs import Evaluation
from residerm.runs.explanations import ExplanationScores
from residerm.scores import Estimate

_NOT_SCORED = "The faithfulness of these explanations was not scored: `residerm evaluate RUN --explain` does that."


def believed(evaluation: Evaluation) -> str:
    """Sentences about the scores of the default method."""
    if not evaluation.explanations:
        return _NOT_SCORED
    scores = evaluation.explanations[0]
    return " ".join(filter(None, (_faithful(scores), _sane(scores), _inside(scores))))


def explained(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """A table row for each scored method."""
    return [_row(scores) for scores in evaluation.explanations]


def _row(scores: ExplanationScores) -> tuple[str, ...]:
    name = scores.title + (f" at {scores.stage}" if scores.stage else "") + f", {scores.places}x{scores.places}"
    lesion = scores.lesion
    inside = (lesion.energy, lesion.share, lesion.quotient) if lesion else (None, None, None)
    gains = (scores.centred.deletion_gain, scores.centred.insertion_gain)
    return (name, f"{scores.groups:,}", *(_written(one) for one in (*gains, *inside)))


def _written(estimate: Estimate | None) -> str:
    if estimate is None or estimate.value is None:
        return "–"
    interval = f" ({estimate.low:.3f} to {estimate.high:.3f})" if estimate.interval else ""
    return f"{estimate.value:.3f}{interval}"


def _faithful(scores: ExplanationScores) -> str:
    if scores.beats_centred:
        return (
            f"On {scores.groups:,} {scores.group_name}s, deleting and inserting the pixels that they highlight changes "
            "the prediction more than deleting and inserting the centre of the image: they show what the model uses "
            "better than a guess that lesions are in the centre."
        )
    return (
        f"On {scores.groups:,} {scores.group_name}s they were not shown to be better, in both deletion and insertion, "
        "than a guess that lesions are in the centre: do not read more into them."
    )


def _sane(scores: ExplanationScores) -> str:
    levels = [level for level in scores.sanity if level.correlation.value is not None]
    if not levels:
        return ""
    last = levels[-1].correlation.value
    assert last is not None
    return (
        f"With all weights randomised, the rank correlation with the true maps is {last:.2f} (1 would mean that they "
        "do not depend on what the model has learnt)."
    )


def _inside(scores: ExplanationScores) -> str:
    lesion = scores.lesion
    if lesion is None or lesion.energy.value is None or lesion.share.value is None:
        return scores.no_lesion or ""
    inside = (
        f"{rate(lesion.energy.value)} % of the evidence is inside the lesion, which covers {rate(lesion.share.value)} "
        "% of the image; evidence around a lesion need not be wrong."
    )
    return f"{inside} {scores.no_lesion}" if scores.no_lesion else inside
