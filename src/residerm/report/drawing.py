"""The figures of an evaluation, from its predictions and scores, and of the training.

    draw_figures(folder, scores, predictions)      writes figures/*.png and *.svg into the folder of an evaluation

Curves are thinned to the visible resolution, so that the page does not grow with the test part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from residerm import figures
from residerm.report.estimates import SCORES
from residerm.runs import Epoch, Evaluation, EvaluationScores, PredictionTable
from residerm.scores.curves import curve as roc_curve, rank
from residerm.scores.trust_results import TrustScores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CURVES = len(figures.SERIES)
_POINTS = 200  # of a curve: one at each half per cent of the axes looks the same as all of them
_LOSSES = ("train_loss", "log_loss")
_ACCURACIES = ("train_accuracy", "accuracy")
_RATES = ("macro_auc", "balanced_accuracy", "macro_f1")

Curve = tuple[np.ndarray, np.ndarray]


def draw_figures(folder: Path, scores: EvaluationScores, predictions: PredictionTable) -> None:
    """Write the figures of an evaluation as PNG and as SVG."""
    for name, figure in evaluation_figures(scores, predictions).items():
        for suffix in (".png", ".svg"):
            figures.save(figure, folder / "figures" / f"{name}{suffix}")


def drawn_figures(evaluation: Evaluation) -> dict[str, str]:
    """The figures of an evaluation as SVG, by name; drawn again if files are missing or damaged."""
    files = sorted((evaluation.folder / "figures").glob("*.svg"))
    drawn = {path.stem: path.read_text(encoding="utf-8", errors="replace") for path in files}
    whole = drawn and all("<svg" in text and text.rstrip().endswith("</svg>") for text in drawn.values())
    predictions = evaluation.predictions  # read in any case, so that damaged predictions are an error
    if whole:
        return drawn
    return {name: figures.svg(figure) for name, figure in evaluation_figures(evaluation.scores, predictions).items()}


def evaluation_figures(scores: EvaluationScores, predictions: PredictionTable) -> dict[str, Figure]:
    """The figures of an evaluation by file name, without those that would be empty."""
    classes = scores.classes
    confusion = np.array(scores.confusion)
    curves = _curves(predictions, shown_classes(scores))
    drawn = {
        "confusion_counts": figures.confusion(confusion, classes, normalise=False),
        "confusion_shares": figures.confusion(confusion, classes, normalise=True),
    }
    if curves:
        roc = {name: receiver for name, (receiver, _) in curves.items()}
        precision = {name: precision for name, (_, precision) in curves.items()}
        drawn["roc"] = figures.roc(roc, _notes(scores, "auc"))
        drawn["precision_recall"] = figures.precision_recall(precision, _notes(scores, "average_precision"))
    if scores.reliability:
        drawn["reliability"] = figures.reliability(scores.reliability)
    return drawn | (_of_trust(scores.trust) if scores.trust else {})


def _of_trust(trust: TrustScores) -> dict[str, Figure]:
    """Reliability before and after calibration, and the risk-coverage curve."""
    drawn: dict[str, Figure] = {}
    if trust.calibration:
        before, after = (
            [(one.confidence, one.accuracy) for one in bins]
            for bins in (trust.calibration.reliability_before, trust.calibration.reliability_after)
        )
        drawn["calibration"] = figures.calibration(before, after)
    if trust.selective:
        found = trust.selective
        curve = np.array(found.curve).T
        drawn["risk_coverage"] = figures.risk_coverage({"this model": (curve[0], curve[1])}, found.chosen)
    return drawn


def shown_classes(scores: EvaluationScores) -> list[str]:
    """The classes whose curves are drawn: those with the most images; of two, only the second."""
    classes = scores.classes
    if len(classes) == 2:
        return list(classes[1:])
    chosen = sorted(classes, key=lambda name: -scores.counts[name].images)[:MOST_CURVES]
    return [name for name in classes if name in chosen]


def learning_figures(epochs: Sequence[Epoch]) -> list[Figure]:
    """Curves of the losses and the validation scores over the epochs."""
    if not epochs:
        return []
    chosen = epochs[-1].kept_epoch
    drawn = []
    for heading, vertical, names in (
        ("Loss", "loss, in nats", _LOSSES),
        ("Accuracy", "accuracy", _ACCURACIES),
        ("Scores on the validation part", "score", _RATES),
    ):
        curves = {_called(name): curve for name in names if (curve := _column(epochs, name))}
        drawn.append(figures.learning_curves(heading, vertical, curves, chosen))
    return drawn


def _called(name: str) -> str:
    if name in _RATES:
        return SCORES[name].title
    return "training, augmented" if name.startswith("train") else "validation"


def _column(epochs: Iterable[Epoch], name: str) -> list[tuple[int, float]]:
    return [(epoch.epoch, epoch.values[name]) for epoch in epochs if name in epoch.values]


def _curves(predictions: PredictionTable, shown: Iterable[str]) -> dict[str, tuple[Curve, Curve]]:
    """The ROC and precision-recall curves of each class, unless none or all of the images belong to it."""
    curves = {}
    for name in shown:
        number = predictions.classes.index(name)
        positive, probability = predictions.labels == number, predictions.probabilities[:, number]
        if positive.any() and not positive.all():
            roc = roc_curve(rank(positive, probability), np.ones((1, len(positive))))
            curves[name] = (
                thinned(1 - roc.specificity[0], roc.sensitivity[0]),
                thinned(roc.sensitivity[0], roc.precision[0]),
            )
    return curves


def thinned(across: np.ndarray, up: np.ndarray) -> Curve:
    """The points of a curve that can be distinguished in a figure, including its ends."""
    steps = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(across)) + np.abs(np.diff(up)))])
    cells = np.floor(steps * _POINTS / max(steps[-1], 1e-12) * (1 - 1e-12))
    first = np.flatnonzero(np.diff(cells, prepend=-1.0))
    kept = np.unique([*first, len(across) - 1])
    return across[kept], up[kept]


def _notes(scores: EvaluationScores, name: str) -> dict[str, str]:
    values = {one: estimates[name].value for one, estimates in scores.by_class.items()}
    return {one: SCORES[name].write(value) for one, value in values.items() if value is not None}
