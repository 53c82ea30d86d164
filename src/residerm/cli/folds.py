"""The table that `residerm train --fold all` prints at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from residerm.cli.console import out, show_table
from residerm.disclaimer import DISCLAIMER

if TYPE_CHECKING:
    from residerm.scores import Estimate
    from residerm.study import CrossValidation

_SHOWN = ("macro_auc", "balanced_accuracy", "accuracy", "log_loss")


def show_folds(validation: CrossValidation) -> None:
    """Print the scores of each fold, their mean and standard deviation, and the pooled scores with intervals."""
    from residerm.report.estimates import SCORES

    scores = validation.scores
    rows = [[str(one.fold), one.images, *(_number(one.scores.get(name)) for name in _SHOWN)] for one in scores.folds]
    over = [scores.over_folds.get(name) for name in _SHOWN]
    pooled = [scores.pooled.headline[name] for name in _SHOWN]
    rows += [
        ["mean", "", *(_number(one.mean if one else None) for one in over)],
        ["standard deviation", "", *(_number(one.deviation if one else None) for one in over)],
        ["pooled", scores.images, *(_number(one.value) for one in pooled)],
        ["95 % interval", "", *map(_interval, pooled)],
    ]
    unit = scores.group_name
    title = f"{scores.archive}: test parts of {len(scores.folds)} folds; the interval resamples {unit}s"
    show_table(title, ("fold", "images", *(SCORES[name].name for name in _SHOWN)), rows)
    for name, one in zip(_SHOWN, pooled, strict=True):
        if one.reason:
            out.print(f"{SCORES[name].name}: {one.reason}")
    out.print(f"folds: {validation.folder}")
    out.print(DISCLAIMER)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(estimate: Estimate) -> str:
    return "{:.3f} to {:.3f}".format(*estimate.interval) if estimate.interval else "–"
