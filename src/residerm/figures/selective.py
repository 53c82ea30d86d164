"""Figures of trust: error rate over coverage, and reliability before and after calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from residerm.figures.style import BLUE, FAINT, INK, PALE, RED, SERIES, label, new_figure, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curve = tuple[np.ndarray, np.ndarray]


def risk_coverage(curves: Mapping[str, Curve], chosen: tuple[float, float] | None = None) -> Figure:
    """Error rate over the fraction of images answered; `chosen` is the point of the threshold for abstention."""
    figure = new_figure(4.8, 3.6)
    axes = figure.add_subplot()
    for (name, (coverage, risk)), colour in zip(curves.items(), SERIES, strict=False):
        axes.plot(coverage, risk, color=colour, linewidth=1.7, label=name)
    if chosen:
        axes.plot(*chosen, "o", color=INK, markersize=6, label="threshold chosen on validation")
    axes.set(xlim=(0, 1), ylim=(0, None))
    axes.grid(color=FAINT, linewidth=0.6)
    axes.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=PALE)
    label(axes, "fraction of the images answered, most confident first", "error rate of these")
    title(axes, "Error rate over coverage")
    return figure


def calibration(before: Sequence[tuple[float, float]], after: Sequence[tuple[float, float]]) -> Figure:
    """Accuracy over mean confidence, before and after calibration; the diagonal is perfect calibration."""
    figure = new_figure(4.8, 4.4)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=0.9, linestyle=(0, (4, 3)), label="perfect")
    for name, points, colour in (("before calibration", before, RED), ("after", after, BLUE)):
        axes.plot(*zip(*points, strict=True), "o-", color=colour, markersize=4.5, linewidth=1.2, label=name)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(color=FAINT, linewidth=0.6)
    axes.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=PALE)
    label(axes, "confidence: the probability of the most probable class", "accuracy")
    title(axes, "Reliability before and after calibration")
    return figure
