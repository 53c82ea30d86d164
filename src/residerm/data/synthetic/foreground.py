"""Objects between skin and lens: hair, air bubbles in the gel, reflections of the lamp, the scale on the glass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from residerm.data.synthetic.canvas import Canvas, Colours, Points, colour, lay

_DARK_HAIR = colour(0.17, 0.12, 0.11)
_FAIR_HAIR = colour(0.78, 0.69, 0.58)
_GEL = colour(1.00, 0.97, 0.95)
_GLINT = colour(1.00, 1.00, 1.00)
_PRINT = colour(0.08, 0.07, 0.08)


@dataclass(frozen=True)
class Hair:
    """The hair of one person: present in all photographs of a lesion, but never in the same place."""

    count: int
    width: float
    length: float
    colour: Colours


def draw_hair(random: np.random.Generator) -> Hair:
    """No hair on half the lesions, some long ones on a third, stubble on the others."""
    kind, tint = random.random(), _FAIR_HAIR if random.random() < 0.3 else _DARK_HAIR
    if kind < 0.5:
        return Hair(0, 0, 0, tint)
    if kind < 0.85:
        return Hair(int(random.integers(1, 14)), random.uniform(0.004, 0.010), random.uniform(0.2, 0.6), tint)
    return Hair(int(random.integers(20, 60)), random.uniform(0.005, 0.009), random.uniform(0.03, 0.09), tint)


def draw_foreground(canvas: Canvas, random: np.random.Generator, hair: Hair, seen: Colours) -> Colours:
    """Draw everything in front of the skin in one photograph."""
    if hair.count:
        seen = lay(seen, 0.85 * canvas.strokes(_hairs(canvas, random, hair)), hair.colour)
    if random.random() < 0.12:
        seen = lay(seen, 0.6 * canvas.strokes(_bubbles(random), soft=0.003), _GEL)
    if random.random() < 0.2:
        seen = lay(seen, 0.7 * canvas.strokes(_glints(random)), _GLINT)
    if random.random() < 0.15:
        seen = lay(seen, 0.9 * canvas.strokes(_scale(random)), _PRINT)
    return seen


def _hairs(canvas: Canvas, random: np.random.Generator, hair: Hair) -> list[tuple[Points, float]]:
    lean, joints = random.uniform(0, np.pi), 8
    starts = random.uniform(-canvas.reach, canvas.reach, (hair.count, 1, 2))
    bends = lean + random.normal(0, 0.4, (hair.count, 1)) + random.normal(0, 0.12, (hair.count, joints)).cumsum(axis=1)
    steps = np.stack([np.cos(bends), np.sin(bends)], axis=-1) * (hair.length / joints)
    return [(points, hair.width) for points in starts + steps.cumsum(axis=1)]


def _bubbles(random: np.random.Generator) -> list[tuple[Points, float]]:
    angle = np.linspace(0, 2 * np.pi, 25)
    ring = np.column_stack([np.cos(angle), np.sin(angle)])
    sizes = random.uniform(0.015, 0.12, (random.integers(1, 6), 1)) * [1, random.uniform(0.5, 1)]
    return [(random.uniform(-0.7, 0.7, 2) + ring * size, 0.008) for size in sizes]


def _glints(random: np.random.Generator) -> list[tuple[Points, float]]:
    middle = random.uniform(-0.4, 0.4, 2)
    places = middle + random.normal(0, 0.15, (random.integers(3, 15), 2))
    return [(np.stack([place, place + random.normal(0, 0.012, 2)]), 0.007) for place in places]


def _scale(random: np.random.Generator) -> list[tuple[Points, float]]:
    """A millimetre scale across one side or corner of the glass."""
    angle = random.uniform(-0.9, 0.9) + np.pi * random.integers(0, 2)
    outwards, along = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    feet = [(outwards * 0.56 + along * number * 0.07, 0.07 if number % 5 == 0 else 0.035) for number in range(-12, 13)]
    return [(np.stack([foot, foot + outwards * length]), 0.009) for foot, length in feet]
