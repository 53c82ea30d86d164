"""Figures of the theory: errors of the equations, gradients of layers, and effects of depth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from residerm.figures import BLUE, FAINT, INK, PALE, RED, SERIES, new_figure, quiet, save
from residerm.files import new_folder
from residerm.theory.findings import EquationCheck
from residerm.theory.flow import Course, FreshFlow, RunFlow, Training
from residerm.theory.layers import NOTHING, Layer, Measured
from residerm.theory.plain import KINDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from residerm.theory.check import EquationReport
    from residerm.theory.depth import Outcome

AMBER, OLIVE = SERIES[1], SERIES[3]
_EXACT = 1e-17  # where an error of zero is drawn
_SERIES = (OLIVE, AMBER, BLUE, RED)
_KIND_COLOURS = (RED, AMBER, OLIVE, BLUE)  # sigmoid, relu, batchnorm, residual
_BY_SHORTCUT = {"plain": RED, "residual": BLUE}
_SHADES = ("#a9c4df", "#6f9cc8", "#3b6ea5", "#173a5e")  # from shallow to deep
_FLOAT32 = -45.0  # log10 of the smallest float32


def figures_in(out: str | Path | None) -> AbstractContextManager[Path | None]:
    """Create a new folder for the figures, or None if `out` is None; an existing one is refused."""
    return new_folder(Path(out)) if out else nullcontext()


def write_check(report: EquationReport, folder: Path) -> list[str]:
    """Draw the results of a check into a folder; return the names of the files."""
    sizes = {one.name: one.sizes for one in report.inside}
    return _write(
        folder,
        {
            "equations": equations(report.findings),
            "identity": missed({one.name: one.missed for one in report.inside}),
            "vanishing": sizes_after_sum(report.example, sizes),
        },
    )


def write_flow(flow: FreshFlow | RunFlow, folder: Path) -> list[str]:
    """Draw the gradients of layers into a folder; return the names of the files."""
    if isinstance(flow, RunFlow):
        return _write(folder, {"layers": run_flow(flow.measured, flow.model)})
    figures = {
        "gradients": courses(flow.courses, of=lambda layer: layer.gradient, measure="$\\|\\partial E/\\partial W\\|$",
                             says="The gradient at every layer, before any training"),
        "activations": courses(flow.courses, of=lambda layer: _log10(layer.activation), measure="size of the output",
                               says="The output of every layer, before any training"),
    }  # fmt: skip
    return _write(folder, figures | ({"training": trainings(flow.trainings)} if flow.trainings else {}))


def write_depth(outcomes: Sequence[Outcome], out: Path) -> Path:
    """Draw the effects of depth into the folder `figures` of the results, unless it exists, and return it."""
    figures = out / "figures"
    if not figures.exists():
        with new_folder(figures) as folder:
            _write(folder, {"depth": errors_by_depth(outcomes), "course": courses_by_depth(outcomes)})
    return figures


def equations(findings: Sequence[EquationCheck]) -> Figure:
    """The error of every equation with its limit, and the error of the printed formula."""
    figure = new_figure(9.2, 1.3 + 0.235 * len(findings))
    axes = figure.add_subplot()
    for line, finding in enumerate(findings):
        colour = PALE if finding.limit is None else BLUE if finding.holds else RED
        axes.plot([_EXACT, 10], [line, line], color=FAINT, linewidth=0.6, zorder=0)
        axes.plot(max(finding.error, _EXACT), line, "o", color=colour, markersize=5)
        if finding.limit is not None:
            axes.plot(finding.limit, line, "|", color=INK, markersize=9)
        if finding.printed is not None:
            axes.plot(finding.printed, line, "D", color=RED, markersize=4.5, markerfacecolor="white")
    axes.set_xscale("log")
    axes.set_xlim(_EXACT / 3, 30)
    ticks = [_EXACT, 1e-14, 1e-12, 1e-10, 1e-6, 1e-3, 1]
    axes.set_xticks(ticks, ["exact", *(f"$10^{{{np.log10(tick):.0f}}}$" for tick in ticks[1:-1]), "1"])
    axes.minorticks_off()
    axes.set_yticks(range(len(findings)), [finding.equation for finding in findings])
    for line, finding in enumerate(findings):
        axes.annotate(
            finding.place, (1.01, line), xycoords=("axes fraction", "data"), color=PALE, fontsize=8, va="center"
        )
    axes.set_ylim(len(findings) - 0.4, -0.6)
    axes.set_xlabel("largest relative error, float64", color=PALE, fontsize=9)
    _key(axes, [("as corrected", BLUE, "o", BLUE), ("as printed", RED, "D", "white"),
                ("measured, nothing claimed", PALE, "o", PALE), ("limit", INK, "|", INK)])  # fmt: skip
    title(figure, "Every equation of the documents against an independent computation")
    quiet(axes)
    return figure


def missed(networks: Mapping[str, Mapping[int, Sequence[float]]]) -> Figure:
    """The distance of x^l + Σ F from x^L by the number of blocks between: (11), and how a ReLU violates it."""
    figure = new_figure(7.4, 4.0)
    axes = figure.add_subplot()
    for (name, errors), colour in zip(networks.items(), _SERIES, strict=False):
        between = sorted(errors)
        mean = np.array([np.mean(errors[count]) for count in between])
        axes.fill_between(between, [min(errors[count]) for count in between],
                          [max(errors[count]) for count in between], color=colour, alpha=0.15, linewidth=0)  # fmt: skip
        axes.plot(between, mean, "o-", color=colour, markersize=4, linewidth=1.6)
        axes.annotate(name, (between[-1], mean[-1]), (8, 0), textcoords="offset points", color=colour,
                      fontsize=9, va="center")  # fmt: skip
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_xticks(range(1, 1 + max(max(errors) for errors in networks.values())))
    axes.margins(x=0.02)
    axes.set_xlabel("residual blocks between $x^l$ and $x^L$, within a stage", color=PALE, fontsize=9)
    title(figure, "Equation (11) holds where nothing follows the sum: "
          "$\\|x^l + \\sum F - x^L\\| \\, / \\, \\|x^L\\|$")  # fmt: skip
    quiet(axes)
    return figure


def sizes_after_sum(example: Sequence[Sequence[float]], networks: Mapping[str, np.ndarray]) -> Figure:
    """When a residual gradient vanishes: the constructed example, and measurements in networks."""
    figure = new_figure(10.4, 4.0)
    left, right = figure.subplots(1, 2)
    _draw_example(left, np.array(example))
    edges = np.geomspace(0.1, 10, 81)
    for (name, sizes), colour in zip(networks.items(), _SERIES, strict=False):
        label = f"{name}\nat least {sizes.min():.2f}\nmedian {np.median(sizes):.2f}, n = {len(sizes):,}"
        right.hist(np.clip(sizes, edges[0], edges[-1]), edges, weights=np.full(len(sizes), 1 / len(sizes)),
                   histtype="stepfilled", color=colour, alpha=0.35, edgecolor=colour, label=label)  # fmt: skip
    right.axvline(1, color=INK, linewidth=0.8, linestyle=":")
    right.set_xscale("log")
    right.set_xticks([0.1, 0.2, 0.5, 1, 2, 5, 10], ["0.1", "0.2", "0.5", "1", "2", "5", "10"])
    right.minorticks_off()
    right.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    right.set_title("Measured: the gradient after the sum", loc="left", fontsize=10, color=INK)
    right.set_xlabel("its size relative to the direct term, for each block and image", color=PALE, fontsize=9)
    right.legend(frameon=False, fontsize=8, loc="upper right")
    title(
        figure, "The residual gradient vanishes where the Jacobian of F has the eigenvalue −1, not only where it is −I"
    )
    for axes in (left, right):
        quiet(axes)
    return figure


def courses(found: Sequence[Course], *, of: Callable[[Layer], float | None], says: str, measure: str) -> Figure:
    """A quantity of every layer: a column for each kind of network, a row for each start, a line for each depth."""
    kinds, starts = list(dict.fromkeys(one.kind for one in found)), list(dict.fromkeys(one.start for one in found))
    depths = sorted({one.depth for one in found})
    figure = new_figure(11, 1.2 + 2.6 * len(starts))
    grid = figure.subplots(len(starts), len(kinds), sharex=True, sharey="row", squeeze=False)
    for one in found:
        axes = grid[starts.index(one.start)][kinds.index(one.kind)]
        values = [of(layer) for layer in one.measured.layers]
        drawn = [np.nan if value is None else value for value in values]
        shade = _SHADES[depths.index(one.depth) % len(_SHADES)]
        axes.plot(range(1, len(drawn) + 1), drawn, color=shade, linewidth=1.8, label=f"{one.depth} layers")
        axes.plot(1, drawn[0], "o", color=shade, markersize=4)
    for row, start in zip(grid, starts, strict=True):
        row[0].set_ylabel(f"{start} start\n{measure}", color=PALE, fontsize=9)
        _powers_of_ten(row)
    for axes, kind in zip(grid[0], kinds, strict=True):
        axes.set_title(KINDS[kind], loc="left", fontsize=10, color=INK)
    for axes in grid[-1]:
        axes.set_xlabel("layer, starting at the image", color=PALE, fontsize=9)
    figure.legend(*grid[0][0].get_legend_handles_labels(), frameon=False, fontsize=9, loc="outside upper right",
                  ncols=len(depths))  # fmt: skip
    title(figure, says)
    return figure


def trainings(found: Sequence[Training]) -> Figure:
    """The first layer's gradient, and the loss, during the training of each kind of network."""
    figure = new_figure(10.4, 3.9)
    left, right = figure.subplots(1, 2)
    for one, colour in zip(found, _KIND_COLOURS, strict=False):
        steps = sorted(one.looks)
        first = [one.looks[step].layers[0].gradient for step in steps]
        drawn = [np.nan if value is None else value for value in first]
        left.plot([step + 1 for step in steps], drawn, "o-", color=colour, linewidth=1.8, markersize=4)
        losses = np.array(one.losses)
        window = min(10, len(losses))
        smooth = np.convolve(losses, np.ones(window) / window, "valid")
        right.plot(np.arange(len(smooth)) + window, smooth, color=colour, linewidth=1.8, label=KINDS[one.kind])
    left.set_xscale("log")
    left.minorticks_off()
    left.yaxis.set_major_formatter(lambda power, _: f"$10^{{{power + 0:.0f}}}$")
    left.set_title("Gradient of the first layer", loc="left", fontsize=10, color=INK)
    left.set_xlabel("step", color=PALE, fontsize=9)
    right.set_title("Loss (mean of 10 steps)", loc="left", fontsize=10, color=INK)
    right.set_xlabel("step", color=PALE, fontsize=9)
    right.set_ylim(0, 1.15 * max(float(np.mean(one.losses[-10:])) for one in found) + 0.6)
    figure.legend(*right.get_legend_handles_labels(), frameon=False, fontsize=9, loc="outside upper right",
                  ncols=len(found))  # fmt: skip
    title(figure, f"During training: {found[0].depth} layers of each kind")
    for axes in (left, right):
        quiet(axes)
    return figure


def run_flow(found: Measured, name: str) -> Figure:
    """A trained network: the gradient of each layer relative to its weights, and the size of its output."""
    layers = found.layers
    figure = new_figure(max(6.4, min(14.0, 2 + 0.22 * len(layers))), 5.2)
    above, below = figure.subplots(2, 1, sharex=True)
    _draw_received(above, layers)
    _draw_given(below, layers)
    for axes in (above, below):
        axes.yaxis.set_major_formatter(lambda power, _: f"$10^{{{power + 0:.0f}}}$")
        quiet(axes)
    every = max(1, len(layers) // 40)
    places = range(0, len(layers), every)
    below.set_xticks(places, [layers[place].name for place in places], rotation=90, fontsize=7)
    title(figure, f"{name}: gradient and output of each layer, starting at the image")
    return figure


def errors_by_depth(outcomes: Sequence[Outcome]) -> Figure:
    """Training and validation error against depth: a mark for each seed, a line through the means."""
    figure = new_figure(8.6, 3.9)
    panels = figure.subplots(1, 2, sharey=True)
    depths = sorted({one.cell.depth for one in outcomes})
    for position, (axes, name) in enumerate(zip(panels, ("training", "validation"), strict=True)):
        for kind, colour in _BY_SHORTCUT.items():
            points = [(depths.index(one.cell.depth), (one.training_error, one.validation_error)[position])
                      for one in outcomes if one.cell.kind == kind]  # fmt: skip
            places = sorted({place for place, _ in points})
            means = [np.mean([error for place, error in points if place == wanted]) for wanted in places]
            axes.plot(places, means, color=colour, linewidth=1.8, label=kind)
            axes.plot(*zip(*points, strict=True), "o", color=colour, markersize=5, markeredgecolor="white")
        baseline = float(np.mean([one.baselines[position] for one in outcomes]))
        axes.axhline(baseline, color=PALE, linewidth=0.8, linestyle=":")
        axes.annotate("always the most common class", (0.02, baseline), (0, 3), xycoords=("axes fraction", "data"),
                      textcoords="offset points", color=PALE, fontsize=8)  # fmt: skip
        axes.set_title(f"Error on the {name} images", loc="left", fontsize=10, color=INK)
        axes.set_xticks(range(len(depths)), [str(depth) for depth in depths])
        axes.set_xlim(-0.4, len(depths) - 0.6)
        axes.set_xlabel("layers", color=PALE, fontsize=9)
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.set_ylim(0, 1.1 * max(baseline, axes.get_ylim()[1]))
        quiet(axes)
    figure.legend(*panels[0].get_legend_handles_labels(), frameon=False, fontsize=9, loc="outside upper right", ncols=2)
    title(figure, "The effect of depth, with and without shortcuts")
    return figure


def courses_by_depth(outcomes: Sequence[Outcome]) -> Figure:
    """Training and validation error of each epoch: the mean and the range of the seeds."""
    figure = new_figure(10.4, 3.9)
    left, right = figure.subplots(1, 2)
    depths = sorted({one.cell.depth for one in outcomes})
    for kind, depth in dict.fromkeys((one.cell.kind, one.cell.depth) for one in outcomes):
        own = [one for one in outcomes if (one.cell.kind, one.cell.depth) == (kind, depth)]
        colour, strong = _BY_SHORTCUT[kind], 0.45 + 0.55 * (depths.index(depth) + 1) / len(depths)
        for axes, courses in (
            (left, [one.training_errors for one in own]), (right, [one.validation_errors for one in own]),
        ):  # fmt: skip
            values, epochs = np.array(courses), np.arange(1, 1 + len(courses[0]))
            axes.fill_between(epochs, values.min(0), values.max(0), color=colour, alpha=0.12, linewidth=0)
            axes.plot(epochs, values.mean(0), color=colour, alpha=strong, linewidth=1 + depths.index(depth),
                      label=f"{kind}, {depth} layers")  # fmt: skip
    for axes, name in ((left, "Training error, in each epoch"), (right, "Validation error, after each epoch")):
        axes.set_title(name, loc="left", fontsize=10, color=INK)
        axes.set_xlabel("epoch", color=PALE, fontsize=9)
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        quiet(axes)
    handles, names = left.get_legend_handles_labels()
    figure.legend(handles, names, frameon=False, fontsize=9, loc="outside upper right", ncols=len(names))
    title(figure, "How fast they learn")
    return figure


def title(figure: Figure, text: str) -> None:
    """Set the title of a figure, at the top left."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=11, color=INK)


def _write(folder: Path, figures: Mapping[str, Figure]) -> list[str]:
    return [save(figure, folder / f"{name}.png").name for name, figure in figures.items()]


def _powers_of_ten(row: Sequence[Axes]) -> None:
    """Share an axis of exponents, and shade values that float32 cannot represent."""
    drawn = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for axes in row for line in axes.lines])
    low, high = float(np.nanmin(drawn)), float(np.nanmax(drawn))
    row[0].set_ylim(low - 0.05 * (high - low) - 0.3, high + 0.05 * (high - low) + 0.3)
    row[0].yaxis.set_major_formatter(lambda power, _: f"$10^{{{power + 0:.0f}}}$")
    for axes in row:
        quiet(axes)
        if low < _FLOAT32:
            axes.axhspan(row[0].get_ylim()[0], _FLOAT32, color=RED, alpha=0.06, linewidth=0)
    if low < _FLOAT32:
        row[-1].annotate(
            "too small for float32", (0.97, _FLOAT32), (0, -4), color=RED, fontsize=8, ha="right", va="top",
            xycoords=("axes fraction", "data"), textcoords="offset points",
        )  # fmt: skip


def _log10(value: float) -> float | None:
    return float(np.log10(value)) if value > 0 else None


def _draw_received(axes: Axes, layers: Sequence[Layer]) -> None:
    """A bar for each layer, red if it receives no gradient."""
    relative = np.array([np.nan if one.relative is None else one.relative for one in layers])
    ground = min([NOTHING, *relative[np.isfinite(relative)]]) - 0.5
    colours = [RED if one.receives_nothing else BLUE for one in layers]
    heights = np.nan_to_num(relative, nan=ground) - ground
    axes.bar(range(len(layers)), heights, bottom=ground, color=colours, width=0.75)
    axes.axhline(NOTHING, color=RED, linewidth=0.8, linestyle=":")
    axes.annotate("nothing\nis received", (1, NOTHING), (4, 0), xycoords=("axes fraction", "data"),
                  textcoords="offset points", color=RED, fontsize=8, va="center")  # fmt: skip
    axes.set_title("Gradient relative to the weights, $\\|\\partial E/\\partial W\\| \\, / \\, \\|W\\|$", loc="left",
                   fontsize=10, color=INK)  # fmt: skip


def _draw_given(axes: Axes, layers: Sequence[Layer]) -> None:
    """A point for each layer; a red cross at the bottom if its output is all zeros."""
    sizes = [_log10(one.activation) for one in layers]
    given = [value for value in sizes if value is not None] or [0.0]
    low, high = np.floor(min(given)) - 0.2, np.ceil(max(given)) + 0.2
    axes.plot([np.nan if value is None else value for value in sizes], "o-", color=OLIVE, linewidth=0.8)
    dead = [place for place, value in enumerate(sizes) if value is None]
    axes.plot(dead, [low] * len(dead), "x", color=RED)
    axes.set_ylim(low, high)
    axes.set_yticks(np.arange(np.ceil(low), high, max(1, round((high - low) / 6))))
    axes.set_title("Size of the output (root mean square)", loc="left", fontsize=10, color=INK)


def _draw_example(axes: Axes, example: np.ndarray) -> None:
    """A block with the Jacobian J = -t u u^T."""
    share, along, other, distance = example.T
    for values, colour, name in (
        (along, RED, "gradient along $u$"),
        (other, BLUE, "gradient in a random direction"),
        (distance, PALE, "distance of $J$ from $-I$"),
    ):
        axes.plot(share, values, color=colour, linewidth=1.8, label=name)
    axes.plot(1, 0, "o", color=RED, markersize=6)
    axes.set_ylim(-0.03, 1.32)
    axes.set_title("Constructed: a block with $J = -t\\,u u^T$", loc="left", fontsize=10, color=INK)
    axes.set_xlabel("$t$; at 1, $J$ has the eigenvalue $-1$", color=PALE, fontsize=9)
    axes.set_ylabel("remaining fraction", color=PALE, fontsize=9)
    axes.legend(frameon=False, fontsize=9, loc="upper right", ncols=1)


def _key(axes: Axes, entries: Sequence[tuple[str, str, str, str]]) -> None:
    """A legend below the axes, with the given marks."""
    for name, colour, mark, face in entries:
        axes.plot([], [], mark, color=colour, markerfacecolor=face, label=name, linestyle="none", markersize=5)
    axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.45, -0.09), ncols=len(entries))
