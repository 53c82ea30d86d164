"""Summaries of the measurements, in one sentence each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from residerm.errors import listed
from residerm.theory.depth import Outcome
from residerm.theory.flow import Course, RunFlow, Training
from residerm.theory.layers import Layer
from residerm.theory.plain import KINDS

_STEADY, _MILD = 1.5, 4.0  # powers of ten, between the first layer's gradient and the last one's
_HEALTHY = 3.0  # powers of ten, between the layers of a trained network
_NEARLY_LEARNT = 0.01  # loss
_LAST_STEPS = 10


def of_courses(courses: Sequence[Course]) -> str:
    """How the gradient of one kind of network changes with depth."""
    deepest = max(courses, key=lambda one: one.depth)
    layers = deepest.measured.layers
    starved, faded = deepest.measured.starved, layers[-2].activation
    name = f"{KINDS[deepest.kind]}, {deepest.start} start: "
    if len(starved) == len(layers) and faded < 1e-6:
        size = power(np.log10(faded)) if faded else "zero"
        return name + (f"the activations fade to {size}, and at {deepest.depth} layers no layer receives anything")
    return name + _change(deepest) + (f"; {_receiving(starved, layers)}" if starved else "")


def of_training(training: Training) -> str:
    """How the loss of one kind of network changed in training, and which layers receive nothing."""
    steps, last = len(training.losses), training.looks[max(training.looks)]
    begun, ended = training.losses[0], float(np.mean(training.losses[-_LAST_STEPS:]))
    starved = f"; {_receiving(last.starved, last.layers)}" if last.starved else ""
    return (
        f"{KINDS[training.kind]}, {training.depth} layers: in {steps} steps the loss went from {begun:.2f} to "
        f"{ended:.2f}{starved}"
    )


def of_run(run: RunFlow) -> str:
    """Whether a trained network's gradient is healthy."""
    measured = run.measured
    least, most, apart = _extremes(measured.layers)
    if measured.loss < _NEARLY_LEARNT:
        verdict = f"the loss is {measured.loss:.1e}: nearly all is learnt, and gradients are small for that reason"
    elif measured.starved or measured.dead:
        verdict = "not healthy"
    elif apart > _HEALTHY:
        verdict = f"uneven: relative to its weights, {most} receives {10**apart:,.0f} times as much as {least}"
    else:
        most_of_them = "eight layers of ten" if len(measured.layers) >= 10 else "the layers"
        verdict = (
            "healthy: every layer receives a gradient; relative to their weights, "
            f"{most_of_them} are within a factor of {10**apart:,.0f}"
        )
    remarks = [_receiving(measured.starved, measured.layers)] if measured.starved else []
    remarks += [f"the output is zero everywhere: {listed(measured.dead)}"] if measured.dead else []
    return "; ".join([f"{run.model}: {verdict}", *remarks])


def of_depths(outcomes: Sequence[Outcome]) -> list[str]:
    """The final errors of the deepest networks of each kind, compared with the shallowest."""
    depths = sorted({one.cell.depth for one in outcomes})
    if len(depths) < 2:
        return ["a single depth shows no effect of depth: give two or more with `depths`"]
    return [_of_kind(kind, depths, outcomes) for kind in ("plain", "residual")]


def spread(values: Sequence[float]) -> str:
    """The mean and the range of the seeds, in per cent."""
    text = f"{np.mean(values):.1%}"
    return text if len(values) == 1 else f"{text} ({min(values):.1%} to {max(values):.1%})"


def power(exponent: float | None) -> str:
    """A power of ten as a number, even if too small for a float; 'none' if the exponent is None."""
    if exponent is None:
        return "none"
    whole = int(np.floor(exponent))
    return f"{10 ** (exponent - whole):.1f}e{whole:+03d}"


def _extremes(layers: Sequence[Layer]) -> tuple[str, str, float]:
    """The layers with the smallest and largest gradients relative to their weights, and the powers of ten between.

    A tenth at either end is left out: in a well-trained network, the first layer, the classifier and the projections
    receive up to a thousand times as much as the rest.
    """
    sizes = sorted((one.relative, one.name) for one in layers if one.relative is not None)
    aside = len(sizes) // 10
    kept = sizes[aside : len(sizes) - aside]
    return (kept[0][1], kept[-1][1], kept[-1][0] - kept[0][0]) if kept else ("", "", 0.0)


def _of_kind(kind: str, depths: Sequence[int], outcomes: Sequence[Outcome]) -> str:
    shallow, deep = (
        [one.training_error for one in outcomes if (one.cell.kind, one.cell.depth) == (kind, depth)]
        for depth in (depths[0], depths[-1])
    )
    ended = f"{depths[-1]} layers end with a training error of {spread(deep)}, {depths[0]} with {spread(shallow)}"
    if len(deep) == len(shallow) == 1:
        meaning = "one seed cannot rule out chance"
    elif min(deep) > max(shallow):
        meaning = "with every seed, deeper is harder to fit: degradation"
    elif max(deep) < min(shallow):
        meaning = "with every seed, deeper fits better"
    else:
        meaning = "the seeds overlap: these runs show no difference"
    return f"{kind}: {ended}; {meaning}"


def _change(course: Course) -> str:
    first, last = course.measured.layers[0].gradient, course.measured.layers[-1].gradient
    if first is None or last is None or course.measured.per_layer is None:
        return f"at {course.depth} layers the first one's gradient is zero"
    change = first - last
    if abs(change) <= _STEADY:
        return (
            f"the gradient keeps its size; at {course.depth} layers the first receives {10**change:.1f} of the last's"
        )
    mild, strong = ("fades", "vanishes") if change < 0 else ("grows", "explodes")
    word = mild if abs(change) <= _MILD else strong
    return (
        f"the gradient {word} by a factor of {course.measured.per_layer:.2f} a layer; "
        f"at {course.depth} layers the first receives {power(change)} of the last's"
    )


def _receiving(starved: Sequence[str], layers: Sequence[Layer]) -> str:
    """Which layers receive nothing; the first ones as a range."""
    names = [one.name for one in layers]
    if len(starved) == len(names):
        return f"all {len(names)} layers receive nothing"
    if len(starved) > 2 and list(starved) == names[: len(starved)]:
        return f"the first {len(starved)} of {len(names)} layers ({starved[0]} to {starved[-1]}) receive nothing"
    return f"of {len(names)} layers {len(starved)} receive nothing: {listed(starved)}"
