"""Figures of a training: learning curves on the validation part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from residerm.figures.style import FAINT, PALE, SERIES, label, new_figure, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curve = Sequence[tuple[int, float]]  # epoch and value; epochs without a value are left out


def learning_curves(heading: str, vertical: str, curves: Mapping[str, Curve], chosen: int | None) -> Figure:
    """Values of every epoch as lines, and the epoch of the selected weights."""
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(4.8, 3.4)
    figure.set_layout_engine("none")  # so that figures next to each other have the same size, whatever their labels
    figure.add_artist(Rectangle((0, 0), 1, 1, transform=figure.transFigure, fill=False, linewidth=0))
    axes = figure.add_axes((0.14, 0.26, 0.84, 0.64))
    if chosen is not None:
        axes.axvline(chosen, color=PALE, linewidth=0.9, linestyle=(0, (4, 3)), label="chosen epoch")
    for (name, curve), colour in zip(curves.items(), SERIES, strict=False):
        epochs, values = [epoch for epoch, _ in curve], [value for _, value in curve]
        axes.plot(epochs, values, color=colour, linewidth=1.7, label=name, marker="o" if len(curve) < 4 else None)
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=3, frameon=False, fontsize=9, labelcolor=PALE,
                borderaxespad=0, handlelength=1.4)  # fmt: skip
    label(axes, "epoch", vertical)
    title(axes, heading)
    return figure
