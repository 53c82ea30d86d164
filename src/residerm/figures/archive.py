"""Figures of an archive: the number of images of each class, and rows of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from residerm.figures.style import BLUE, INK, PALE, named, new_figure, quiet

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def class_distribution(
    images: Mapping[str, int], groups: Mapping[str, int] | None, title: str, group_name: str = "lesion"
) -> Figure:
    """Images of each class as bars, with percentages; lesions as a mark on each bar (figure 5 of the paper)."""
    figure = new_figure(7.2, 1.1 + 0.42 * len(images))
    axes = figure.add_subplot()
    total = max(sum(images.values()), 1)
    names = sorted(images, key=lambda name: images[name])
    lines = range(len(names))
    bars = axes.barh(lines, [images[name] for name in names], color=BLUE, height=0.72)
    axes.set_yticks(lines, [named(name) for name in names])
    labels = [f" {images[name]:,}  ({images[name] / total:.1%})" for name in names]
    axes.bar_label(bars, labels, color=INK, fontsize=9)
    if groups:
        axes.plot([groups[name] for name in names], lines, "|", color="white", markersize=14, markeredgewidth=2.5)
        axes.plot([groups[name] for name in names], lines, "|", color=INK, markersize=14, markeredgewidth=1.2,
                  label=f"{group_name}s")  # fmt: skip
        axes.legend(loc="lower right", frameon=False, fontsize=9)
    axes.set_xlim(0, max(images.values()) * 1.18)
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    axes.set_xlabel("images", color=PALE, fontsize=9)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    quiet(axes)
    return figure


def image_rows(rows: Sequence[tuple[str, Sequence[np.ndarray]]], columns: Sequence[str], title: str) -> Figure:
    """Rows of images of one size, with names of the rows on the left and of the columns above."""
    across, down = len(columns), len(rows)
    figure = new_figure(1.0 + 1.25 * across, 0.7 + 1.25 * down)
    for line, (name, images) in enumerate(rows):
        for column, image in enumerate(images):
            axes = figure.add_subplot(down, across, line * across + column + 1)
            axes.imshow(image, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
            if line == 0:
                axes.set_title(named(columns[column]), fontsize=9, color=INK)
            if column == 0:
                axes.set_ylabel(name, fontsize=9, color=PALE)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    return figure
