"""A lesion: its shape, and the pigments in and around it.

A lesion draws everything from its own random generator in a fixed order, whatever the view, so it is the same lesion in
all its photographs. Its appearance is defined in `recipes.py`, and the conversion of pigments to colour in `skin.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from residerm.data.synthetic.canvas import Canvas, Plane, Points, blobs, step

Range = tuple[float, float]


@dataclass
class Pigments:
    """The pigments of the skin: three absorbers, and two coverings from 0 to 1; structures change them in place."""

    melanin: Plane
    blood: Plane
    blue: Plane  # melanin so deep that it looks blue
    white: Plane
    keratin: Plane


@dataclass(frozen=True)
class Outline:
    """The ranges of the outlines of a class."""

    irregular: Range  # lobes and bays; these three as fractions of the radius
    ragged: Range  # fine teeth
    soft: Range
    radius: Range = (0.2, 0.55)  # in the scene
    oblong: Range = (1.0, 1.6)  # length to width


@dataclass(frozen=True)
class Body:
    """The position and shape of a lesion."""

    x: Plane  # coordinates in which its ellipse is the unit circle
    y: Plane
    depth: Plane  # 1 in the middle, 0 on the border, negative outside
    cover: Plane  # 0 outside, 1 inside, soft at the border
    centre: Points
    axes: Points  # the ellipse's half axes in the scene, one a row
    radius: float

    @property
    def distance(self) -> Plane:
        """The distance from the centre; 1 on the ellipse."""
        return np.sqrt(self.x * self.x + self.y * self.y)

    def place(self, points: Points) -> Points:
        """Convert points from the lesion's coordinates to those of the scene."""
        return self.centre + points @ self.axes


@dataclass(frozen=True)
class Lesion:
    """A lesion for structures to be drawn into: its body, its pigments and its random generator."""

    canvas: Canvas
    random: np.random.Generator
    body: Body
    pigments: Pigments

    def noise(self, size: float, octaves: int = 1) -> Plane:
        """Smooth noise with mean 0 and standard deviation 1."""
        return self.canvas.noise(self.random, size, octaves)

    def area(self, size: float, threshold: float, soft: float = 0.5) -> Plane:
        """Random areas within the lesion, fewer the higher the threshold, as coverage from 0 to 1."""
        return step(self.noise(size, 2) - threshold, soft) * self.body.cover

    def drawn(self, low: float, high: float) -> float:
        """A random number in a range."""
        return self.random.uniform(low, high)

    def scattered(self, least: int, most: int, inner: float = 0.0, outer: float = 0.85) -> Points:
        """Random points in the scene, between two fractions of the radius."""
        count = int(self.random.integers(least, most))
        angle = self.random.uniform(0, 2 * math.pi, count)
        share = np.sqrt(self.random.uniform(inner**2, outer**2, count))
        return self.body.place(np.column_stack([np.cos(angle), np.sin(angle)]) * share[:, None])

    def dots(self, places: Points, least: float, most: float, soft: float) -> Plane:
        """Coverage of slightly irregular dots with radii between two limits."""
        radii = self.random.uniform(least, most, len(places))
        return self.canvas.shapes(blobs(self.random, places, radii), soft)


def draw_body(canvas: Canvas, random: np.random.Generator, ranges: Outline) -> Body:
    """Draw the shape of a lesion: an ellipse, deformed by coarse noise into lobes and by fine noise into teeth."""
    least, most = ranges.radius
    radius = least * (most / least) ** random.random()
    oblong, turn = math.sqrt(random.uniform(*ranges.oblong)), random.uniform(0, math.pi)
    irregular, ragged, soft = (random.uniform(*limits) for limits in (ranges.irregular, ranges.ragged, ranges.soft))
    centre = random.normal(0, 0.06, 2)
    along = np.array([math.cos(turn), math.sin(turn)])
    axes = np.stack([along * oblong, np.array([-along[1], along[0]]) / oblong]) * radius
    right, down = canvas.x - float(centre[0]), canvas.y - float(centre[1])
    inverse = np.linalg.inv(axes).astype(np.float32)
    x, y = right * inverse[0, 0] + down * inverse[1, 0], right * inverse[0, 1] + down * inverse[1, 1]
    depth = 1 - np.sqrt(x * x + y * y)
    depth = depth + irregular * canvas.noise(random, 1.1 * radius, 2) + ragged * canvas.noise(random, 0.07, 2)
    return Body(x, y, depth, step(depth, soft), centre, axes, radius)
