"""The common style of all figures: colours, empty figures, and saving them as a file or in an HTML page."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from residerm.errors import UsageError, printable
from residerm.files import new_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, PALE, FAINT = "#222222", "#777777", "#d9d9d9"
BLUE, RED = "#3b6ea5", "#b5483a"
SERIES = (BLUE, "#d98e32", RED, "#7d8f3f", "#7a5195", "#2a9d8f", "#8c6d4f", "#d66ba0", "#5b7083", "#a8a13a")
_FORMATS = (".png", ".jpg", ".pdf", ".svg")
_NAMED: Mapping[str, str] = MappingProxyType({INK: "var(--ink)", PALE: "var(--pale)", FAINT: "var(--faint)"})
_LONGEST_NAME = 22


def save(figure: Figure, path: Path) -> Path:
    """Save a figure in the format of its suffix without overwriting a file; a second format gets the same layout."""
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise UsageError(f"{path}: figures are saved as {', '.join(_FORMATS)}; use one of these suffixes")
    with new_file(path) as partial:
        if suffix == ".svg":
            partial.write_text(svg(figure), encoding="utf-8")
        else:
            figure.savefig(partial, format=suffix.lstrip("."), dpi=150, bbox_inches="tight")
    figure.set_layout_engine("none")  # computing the layout takes as long as drawing
    return path


def svg(figure: Figure) -> str:
    """The text of a figure's SVG file, deterministic, with text stored as text."""
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "residerm"}):
        figure.savefig(stream, format="svg", bbox_inches="tight", pad_inches=0.02, transparent=True,
                       metadata={"Date": None})  # fmt: skip
    return stream.getvalue()


def inline(source: str) -> str:
    """An SVG file as an HTML element; the page's variables --ink, --pale and --faint colour its text and lines."""
    element = re.sub(r"<metadata>.*?</metadata>", "", source[source.index("<svg") :], flags=re.DOTALL)
    for colour, variable in _NAMED.items():
        element = element.replace(colour, variable)
    return element


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, with its size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def quiet(axes: Axes) -> None:
    """Remove the frame and the ticks of the left axis."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False, labelsize=9, colors=INK)


def label(axes: Axes, horizontal: str, vertical: str) -> None:
    """Label both axes, and simplify the frame."""
    axes.set_xlabel(horizontal, color=PALE, fontsize=9)
    axes.set_ylabel(vertical, color=PALE, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(FAINT)
    axes.tick_params(color=FAINT, labelcolor=INK, labelsize=9)


def title(axes: Axes, text: str) -> None:
    """Set the title."""
    axes.set_title(text, loc="left", fontsize=11, color=INK)


def named(name: str) -> str:
    """A name for drawing: truncated if long, and with dollar signs escaped."""
    short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    return printable(short).replace("$", r"\$")
