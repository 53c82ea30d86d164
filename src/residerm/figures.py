"""Arrays → Figure. Every figure of residerm is drawn here, without a display and without global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from residerm.atomic import new_file
from residerm.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FORMATS = (".png", ".jpg", ".pdf", ".svg")
_BAR, _INK, _PALE = "#3b6ea5", "#222222", "#777777"


def save(figure: Figure, path: Path) -> Path:
    """Write a figure in the format of its suffix, never over an existing file."""
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise UsageError(f"{path}: a figure is written as {', '.join(_FORMATS)}; give it one of these suffixes")
    with new_file(path) as partial:
        figure.savefig(partial, format=suffix.lstrip("."), dpi=150, bbox_inches="tight")
    return path


def class_distribution(
    images: Mapping[str, int], groups: Mapping[str, int] | None, title: str, group_name: str = "lesion"
) -> Figure:
    """Images of each class as bars, with their share; lesions as a mark on each bar (the paper's figure 5)."""
    figure = _figure(7.2, 1.1 + 0.42 * len(images))
    axes = figure.add_subplot()
    total = max(sum(images.values()), 1)
    names = sorted(images, key=lambda name: images[name])
    bars = axes.barh(names, [images[name] for name in names], color=_BAR, height=0.72)
    labels = [f" {images[name]:,}  ({images[name] / total:.1%})" for name in names]
    axes.bar_label(bars, labels, color=_INK, fontsize=9)
    if groups:
        axes.plot([groups[name] for name in names], names, "|", color="white", markersize=14, markeredgewidth=2.5)
        axes.plot([groups[name] for name in names], names, "|", color=_INK, markersize=14, markeredgewidth=1.2,
                  label=f"{group_name}s")  # fmt: skip
        axes.legend(loc="lower right", frameon=False, fontsize=9)
    axes.set_xlim(0, max(images.values()) * 1.18)
    axes.set_title(title, loc="left", fontsize=11, color=_INK)
    axes.set_xlabel("images", color=_PALE, fontsize=9)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    _quiet(axes)
    return figure


def image_rows(rows: Sequence[tuple[str, Sequence[np.ndarray]]], columns: Sequence[str], title: str) -> Figure:
    """Rows of images of one size, each row named at its left, each column above."""
    across, down = len(columns), len(rows)
    figure = _figure(1.0 + 1.25 * across, 0.7 + 1.25 * down)
    for line, (name, images) in enumerate(rows):
        for column, image in enumerate(images):
            axes = figure.add_subplot(down, across, line * across + column + 1)
            axes.imshow(image, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
            if line == 0:
                axes.set_title(columns[column], fontsize=9, color=_INK)
            if column == 0:
                axes.set_ylabel(name, fontsize=9, color=_PALE)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=_INK)
    return figure


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _quiet(axes: Axes) -> None:
    """No frame, and no ticks where the bars are named."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False, labelsize=9, colors=_INK)
