"""`residerm evaluate`: score a run on images that it was not trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from residerm.cli.console import out, progress, remarks, show_json, show_table
from residerm.cli.options import Json
from residerm.config import EvaluateOptions

if TYPE_CHECKING:
    from residerm.runs import Evaluation, EvaluationScores, RunComparison
    from residerm.scores import Estimate

_HEADLINE = (
    "macro_auc", "balanced_accuracy", "accuracy", "majority_accuracy", "macro_f1", "log_loss", "brier_score",
    "calibration_error",
)  # fmt: skip
_BY_CLASS = ("sensitivity", "specificity", "precision", "auc")


def evaluate_(
    run: Path,
    *,
    options: Annotated[EvaluateOptions, Parameter(name="*")] = EvaluateOptions(),
    json: Json = False,
) -> None:
    """Score a run on its test part or on another archive, with 95 % intervals, and write its report.

    Example: residerm evaluate runs/20260101-120000-resnet50-ham10000-64px-s0 --tta

    Parameters
    ----------
    run
        Folder of a finished run; with --data also a bundle, which need not be in the folder of its run.
    """
    from residerm.evaluation.evaluate import evaluate

    with progress() as shown:
        evaluation = evaluate(run, options, shown)
    if not evaluation.new:
        remarks.print(f"note: showing the existing {evaluation.folder.name}; --overwrite scores again")
    if json:
        show_json(evaluation.scores.plain())
        return
    _show(evaluation.scores)
    if evaluation.scores.trust:
        _show_trust(evaluation)
    if evaluation.comparison:
        _show_comparison(evaluation.comparison)
    if evaluation.explanations:
        _show_explanations(evaluation)
    out.print(f"scores: {evaluation.folder}")
    if (run / "report.html").exists():  # a bundle has none
        out.print(f"report: {run / 'report.html'}\ncard:   {run / 'MODEL_CARD.md'}")
    out.print("Not a medical device and not a diagnosis: for research and teaching only.")


def _show(scores: EvaluationScores) -> None:
    from residerm.report.estimates import SCORES

    what = f"{scores.archive}, {scores.part} part" if scores.part != "all" else scores.archive
    unit, gap = scores.group_name, scores.gap or {}
    columns = ["score", "value", "95 % interval", *(["training minus test"] if gap else [])]
    rows = [
        [SCORES[name].name, *_cells(scores.headline[name]), *([_difference(gap.get(name))] if gap else [])]
        for name in _HEADLINE
    ]
    of = f" of {scores.groups:,} {unit}s" if unit != "image" else ""
    title = f"{what}: {scores.images:,} images{of}; 95 % intervals by resampling {unit}s"
    show_table(title, columns, rows)
    by_class = [
        [name, scores.counts[name].images, *(_short(estimates[score]) for score in _BY_CLASS)]
        for name, estimates in scores.by_class.items()
    ]
    show_table("by class", ("class", "images", *(SCORES[score].name for score in _BY_CLASS)), by_class)


def _show_trust(evaluation: Evaluation) -> None:
    from residerm.report.trust import shown_trust

    shown = shown_trust(evaluation)
    assert shown is not None, "an evaluation with trust scores has them shown"
    show_table("calibration", ("score", "before", "after", "after minus before"), shown.calibration)
    if shown.outliers:
        rows = [[row.source, row.images, row.auroc, row.false_positive_rate, row.marked] for row in shown.outliers]
        columns = ("images from other sources", "images", "AUROC", "false positive rate at 95 % accepted", "marked")
        show_table("outliers", columns, rows)
    for text in (shown.sets_text, shown.selective_text, shown.decision_text, *shown.limits):
        if text:
            out.print(text)


def _show_explanations(evaluation: Evaluation) -> None:
    from residerm.report.explanations import believed, explained

    unit = f"{evaluation.explanations[0].group_name}s"
    columns = ("method", unit, "deletion\ngain", "insertion\ngain", "evidence\nin lesion", "area of\nlesion",
               "background\nto lesion")  # fmt: skip
    show_table("explanations, compared with a Gaussian in the centre", columns, explained(evaluation))
    out.print(believed(evaluation))


def _cells(estimate: Estimate) -> tuple[str, str]:
    if estimate.value is None:
        return "absent", estimate.reason
    bounds = "{:.3f} to {:.3f}".format(*estimate.interval) if estimate.interval else estimate.reason
    return f"{estimate.value:.3f}", bounds


def _difference(gap: float | None) -> str:
    return "" if gap is None else f"{gap:+.3f}"


def _short(estimate: Estimate) -> str:
    if estimate.value is None:
        return "–"
    bounds = " ({:.2f} to {:.2f})".format(*estimate.interval) if estimate.interval else ""
    return f"{estimate.value:.2f}{bounds}"


def _show_comparison(comparison: RunComparison) -> None:
    from residerm.report.estimates import SCORES

    rows = [[SCORES[name].name, *_cells(one)] for name, one in comparison.differences.items()]
    show_table(f"this run minus {comparison.against}", ("difference", "value", "95 % interval"), rows)
    test = comparison.mcnemar
    out.print(
        f"only one is correct: this run on {test.first_only:,} images, the other on {test.second_only:,}; "
        f"McNemar's test: p = {test.p:.3g}"
    )
