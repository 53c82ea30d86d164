"""Figures of an evaluation: confusion matrix, ROC and precision-recall curves, reliability.

Arrays are drawn as given: the curves are computed and thinned by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from residerm.figures.style import BLUE, FAINT, INK, PALE, RED, SERIES, label, named, new_figure, title
from residerm.scores import ReliabilityBin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import DrawStyleType

Curves = Mapping[str, tuple[np.ndarray, np.ndarray]]  # class → x and y
_LETTERS_ACROSS = 64  # width of the legend
_MOST_CLASSES_WITH_NUMBERS = 14  # more do not fit into the cells


def confusion(counts: np.ndarray, classes: Sequence[str], *, normalise: bool) -> Figure:
    """Numbers of images, or percentages of each row; rows are the true classes, darker is a larger part of the row."""
    rows = counts.sum(axis=1, keepdims=True)
    of_row = np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    side = min(2.0 + 0.46 * len(classes), 9.0)
    figure = new_figure(max(side, 4.2), max(side - 0.3, 3.2))
    axes = figure.add_subplot()
    for truth, predicted in np.argwhere(of_row > 0):
        cell = (predicted - 0.5, truth - 0.5)
        axes.add_patch(_rectangle(cell, BLUE if truth == predicted else RED, of_row[truth, predicted]))
    if len(classes) <= _MOST_CLASSES_WITH_NUMBERS:
        _number_cells(axes, counts, of_row, normalise)
    names, places = [named(name) for name in classes], range(len(classes))
    axes.set_xticks(places, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, names)
    axes.set(xlim=(-0.5, len(classes) - 0.5), ylim=(len(classes) - 0.5, -0.5))
    axes.set_aspect("equal")
    label(axes, "predicted", "true class")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    title(axes, "Percentage of each true class" if normalise else "Images")
    return figure


def roc(curves: Curves, notes: Mapping[str, str]) -> Figure:
    """Sensitivity over the false positive rate, for each class against the rest; the diagonal is chance."""
    figure, axes = _against_the_rest(curves, notes, "area under the curve (AUC)")
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    label(axes, "1 − specificity", "sensitivity")
    title(axes, "ROC, each class against the rest")
    return figure


def precision_recall(curves: Curves, notes: Mapping[str, str]) -> Figure:
    """Precision over sensitivity, for each class against the rest."""
    figure, axes = _against_the_rest(curves, notes, "average precision", "steps-pre")
    label(axes, "sensitivity (recall)", "precision")
    title(axes, "Precision and recall, each class against the rest")
    return figure


def reliability(bins: Sequence[ReliabilityBin]) -> Figure:
    """Accuracy over confidence, with the number of images below; the diagonal is perfect calibration."""
    figure = new_figure(4.8, 4.8)
    axes, below = figure.subplots(2, height_ratios=(4, 1), sharex=True)
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=0.9, linestyle=(0, (4, 3)), label="perfect")
    for one in bins:
        axes.plot([one.confidence] * 2, [one.confidence, one.accuracy], color=RED, linewidth=1, alpha=0.6)
    confidence, accuracy = [one.confidence for one in bins], [one.accuracy for one in bins]
    axes.plot(confidence, accuracy, "o-", color=BLUE, markersize=4.5, linewidth=1.2, label="this model")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(color=FAINT, linewidth=0.6)
    axes.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=PALE)
    label(axes, "", "accuracy")
    title(axes, "Reliability")
    widths = [one.high - one.low for one in bins]
    below.bar([one.low for one in bins], [one.n for one in bins], widths, align="edge", color=BLUE, alpha=0.55)
    label(below, "confidence: the probability of the predicted class", "images")
    return figure


def _against_the_rest(
    curves: Curves, notes: Mapping[str, str], meaning: str, drawstyle: DrawStyleType = "default"
) -> tuple[Figure, Axes]:
    """A curve for each class in a square, with a legend of the scores below."""
    texts = {name: f"{named(name)}  {notes.get(name, '')}" for name in curves}
    columns = max(1, min(3, _LETTERS_ACROSS // (4 + max(map(len, texts.values()), default=1))))
    figure = new_figure(4.8, 5.0 + 0.19 * -(-len(curves) // columns))
    axes = figure.add_subplot()
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.set_aspect("equal")
    axes.grid(color=FAINT, linewidth=0.6)
    for (name, (across, up)), colour in zip(curves.items(), SERIES, strict=False):
        axes.plot(across, up, color=colour, linewidth=1.5, label=texts[name], drawstyle=drawstyle)
    legend = axes.legend(loc="upper left", bbox_to_anchor=(0, -0.14), ncols=columns, frameon=False, fontsize=9,
                         labelcolor=PALE, borderaxespad=0, handlelength=1.2, columnspacing=1.4, title=meaning,
                         alignment="left")  # fmt: skip
    legend.get_title().set(color=PALE, fontsize=9)
    return figure, axes


def _rectangle(corner: tuple[float, float], colour: str, share: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, 1, 1, facecolor=colour, alpha=0.06 + 0.94 * share, linewidth=0)


def _number_cells(axes: Axes, counts: np.ndarray, of_row: np.ndarray, normalise: bool) -> None:
    for (truth, predicted), count in np.ndenumerate(counts):
        share = of_row[truth, predicted]
        text = f"{count:,}" if not normalise else f"{100 * share:.0f}" if counts[truth].any() else "–"
        colour = "white" if share > 0.5 else INK if count else FAINT
        axes.text(predicted, truth, text, ha="center", va="center", fontsize=8.5, color=colour)
