"""folds.json: the results of a cross-validation, for each fold, over the folds, and pooled.

    mean, deviation    over the folds. Their training parts overlap, so the deviation is not a standard error.
    pooled             every image once, predicted by the model not trained on it; 95 % intervals resample lesions

Pooled scores that rank images, such as the AUC, rank the predictions of several models together, and can be lower than
the mean over the folds. The intervals are for these models; they do not include the variation between trainings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from residerm.disclaimer import DISCLAIMER
from residerm.documents import Document, Section
from residerm.runs import Evaluation, PredictionTable
from residerm.scores import Assessment, assess


class FoldResult(Section):
    """One fold: its run, and the headline scores of its test part."""

    fold: int
    run: str
    evaluation: str
    images: int
    groups: int
    scores: dict[str, float]  # without undefined ones


class Spread(Section):
    """A score over the folds in which it is defined."""

    folds: int
    mean: float
    deviation: float | None = None  # standard deviation, n - 1 in the denominator; None for a single fold


class FoldScores(Document):
    """folds.json."""

    remedy: ClassVar[str] = "remove it and train the folds again: finished runs are kept"

    format: Literal[1] = 1
    disclaimer: str = DISCLAIMER
    archive: str
    synthetic: bool
    classes: tuple[str, ...]
    images: int
    groups: int
    group_name: str
    folds: tuple[FoldResult, ...]
    over_folds: dict[str, Spread]
    pooled: Assessment


def summarised(runs: Sequence[str], evaluations: Sequence[Evaluation], pooled: PredictionTable) -> FoldScores:
    """The scores of all folds, in their order."""
    first = evaluations[0].scores
    results = tuple(_result(fold, run, one) for fold, (run, one) in enumerate(zip(runs, evaluations, strict=True)))
    return FoldScores(
        archive=first.archive,
        synthetic=first.synthetic,
        classes=first.classes,
        images=len(pooled),
        groups=len(set(pooled.groups)),
        group_name=first.group_name,
        folds=results,
        over_folds=_over_folds(results, list(first.headline)),
        pooled=assess(
            pooled.labels, pooled.probabilities, pooled.classes, pooled.groups,
            predicted=pooled.predicted, group_name=first.group_name,
            malignant=first.malignancy.malignant if first.malignancy else None,
        ),
    )  # fmt: skip


def pool(tables: Sequence[PredictionTable]) -> PredictionTable:
    """Concatenate the predictions of all folds."""
    return PredictionTable(
        classes=tables[0].classes,
        image_ids=[name for table in tables for name in table.image_ids],
        groups=[group for table in tables for group in table.groups],
        labels=np.concatenate([table.labels for table in tables]),
        predicted=np.concatenate([table.predicted for table in tables]),
        probabilities=np.concatenate([table.probabilities for table in tables]),
        sexes=[sex for table in tables for sex in table.sexes],
        ages=[age for table in tables for age in table.ages],
        sites=[site for table in tables for site in table.sites],
    )


def _result(fold: int, run: str, evaluation: Evaluation) -> FoldResult:
    scores = evaluation.scores
    defined = {name: one.value for name, one in scores.headline.items() if one.value is not None}
    return FoldResult(
        fold=fold, run=run, evaluation=evaluation.name, images=scores.images, groups=scores.groups, scores=defined
    )


def _over_folds(results: Sequence[FoldResult], names: Sequence[str]) -> dict[str, Spread]:
    """The mean and standard deviation of each score that is defined in any fold."""
    values = {name: [one.scores[name] for one in results if name in one.scores] for name in names}
    return {
        name: Spread(
            folds=len(found),
            mean=float(np.mean(found)),
            deviation=float(np.std(found, ddof=1)) if len(found) > 1 else None,
        )
        for name, found in values.items()
        if found
    }
