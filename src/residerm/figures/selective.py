"""How far answers can be relied on, drawn: errors over the share that is answered, and reliability before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from residerm.figures.style import BLUE, FAINT, INK, PALE, RED, SERIES, label, new_figure, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curve = tuple[np.ndarray, np.ndarray]


def risk_coverage(curves: Mapping[str, Curve], chosen: tuple[float, float] | None = None) -> Figure:
    """The share of errors over the share of images answered; `chosen` is where the threshold for abstention lies."""
    figure = new_figure(4.8, 3.6)
    axes = figure.add_subplot()
    for (name, (coverage, risk)), colour in zip(curves.items(), SERIES, strict=False):
        axes.plot(coverage, risk, color=colour, linewidth=1.7, label=name)
    if chosen:
        axes.plot(*chosen, "o", color=INK, markersize=6, label="threshold chosen on validation")
    axes.set(xlim=(0, 1), ylim=(0, None))
    axes.grid(color=FAINT, linewidth=0.6)
    axes.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=PALE)
    label(axes, "share of the images answered, most confident first", "share of these that is wrong")
    title(axes, "Errors over coverage")
    return figure


def calibration(before: Sequence[tuple[float, float]], after: Sequence[tuple[float, float]]) -> Figure:
    """What share was right at each mean confidence, before calibration and after it; the diagonal is perfect."""
    figure = new_figure(4.8, 4.4)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=0.9, linestyle=(0, (4, 3)), label="perfect")
    for name, points, colour in (("before calibration", before, RED), ("after", after, BLUE)):
        axes.plot(*zip(*points, strict=True), "o-", color=colour, markersize=4.5, linewidth=1.2, label=name)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(color=FAINT, linewidth=0.6)
    axes.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=PALE)
    label(axes, "confidence: the probability of the most probable class", "share that is right")
    title(axes, "Reliability before and after calibration")
    return figure
