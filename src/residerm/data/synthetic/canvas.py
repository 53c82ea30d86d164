"""The canvas for synthetic images: a view of a scene, smooth noise, and shapes seen through that view.

The scene is a patch of skin, in units of the photograph's shorter side, with its origin in the centre. Everything that
belongs to a lesion is defined in scene coordinates, with that lesion's own random numbers and independently of the
view, so that two photographs of one lesion show the same lesion. Planes and colours are float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Plane = NDArray[np.floating]  # (height, width)
Colours = NDArray[np.floating]  # (3, height, width), or (3, 1, 1) for one colour: red, green, blue from 0 to 1
Points = NDArray[np.floating]  # (…, 2): x to the right, y downwards, in the scene

_OVERSAMPLING = 3  # shapes are drawn this much larger and averaged, for smooth edges


@dataclass(frozen=True)
class View:
    """The position of the dermoscope: rotation in radians, zoom, and offset in scene units."""

    turn: float = 0.0
    zoom: float = 1.0
    aside: tuple[float, float] = (0.0, 0.0)


class Canvas:
    """The pixels of a photograph, and their positions in the scene."""

    def __init__(self, width: int, height: int, view: View) -> None:
        self.width, self.height = width, height
        self.unit = min(width, height)  # pixels per scene unit at a zoom of 1
        self.reach = 0.7 * math.hypot(width, height) / self.unit + 0.1  # no view drawn here extends farther
        self._axes = _rotation(view.turn) / (self.unit * view.zoom)
        self._origin = np.array(view.aside) - self._axes @ (width / 2, height / 2)
        self._to_pixels = np.linalg.inv(self._axes).T
        column, row = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
        self.x: Plane = (self._axes[0, 0] * column + self._axes[0, 1] * row + self._origin[0]).astype(np.float32)
        self.y: Plane = (self._axes[1, 0] * column + self._axes[1, 1] * row + self._origin[1]).astype(np.float32)

    def noise(self, random: np.random.Generator, size: float, octaves: int = 1) -> Plane:
        """Smooth noise with mean 0 and standard deviation 1 over the scene, and features of `size`.

        Each octave adds half the size and weight, as long as it is visible. The field is refined to a few pixels.
        """
        spacing, finest, weight = 0.75 * size, 2 / self.unit, 1.0
        field = _rough(random, int(2 * self.reach / spacing) + 3)
        while spacing / 2 > finest:
            field, spacing, octaves = _refined(field), spacing / 2, octaves - 1
            if octaves > 0:
                weight /= 2
                field += weight * _rough(random, len(field))
        return self._look((field - field.mean()) / field.std(), spacing, random.uniform(0, 2 * np.pi))

    def _look(self, field: Plane, spacing: float, turn: float) -> Plane:
        """The part of a square field in this view; the field is centred, and rotated to hide its grid."""
        rotated = _rotation(turn) @ np.column_stack([self._axes, self._origin])
        across, down = rotated / spacing + [0, 0, len(field) / 2]
        size, affine = (self.width, self.height), Image.Transform.AFFINE
        seen = Image.fromarray(field).transform(size, affine, (*across, *down), Image.Resampling.BILINEAR)
        return np.asarray(seen, dtype=np.float32)

    def shapes(self, outlines: Iterable[Points], soft: float = 0.0) -> Plane:
        """Filled outlines as coverage from 0 to 1, their edges softened over `soft` scene units."""
        picture, pen = self._sheet()
        for outline in outlines:
            pen.polygon(self._pixels(outline), fill=255)
        return self._coverage(picture, soft)

    def strokes(self, lines: Iterable[tuple[Points, float]], soft: float = 0.0) -> Plane:
        """Lines with their widths in scene units as coverage from 0 to 1."""
        picture, pen = self._sheet()
        for points, width in lines:
            pen.line(self._pixels(points), fill=255, width=max(1, round(width * self.unit * _OVERSAMPLING)))
        return self._coverage(picture, soft)

    def _sheet(self) -> tuple[Image.Image, ImageDraw.ImageDraw]:
        picture = Image.new("L", (self.width * _OVERSAMPLING, self.height * _OVERSAMPLING))
        return picture, ImageDraw.Draw(picture)

    def _pixels(self, points: Points) -> list[float]:
        return ((points - self._origin) @ self._to_pixels * _OVERSAMPLING).ravel().tolist()

    def _coverage(self, picture: Image.Image, soft: float) -> Plane:
        small = picture.reduce(_OVERSAMPLING)
        if soft > 0:
            small = small.filter(ImageFilter.GaussianBlur(soft * self.unit))
        return np.asarray(small, dtype=np.float32) / 255


def _rotation(angle: float) -> NDArray[np.floating]:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _rough(random: np.random.Generator, nodes: int) -> Plane:
    """A square of uniform random numbers, which look normal after smoothing and take a fifth of the time."""
    return random.random((nodes, nodes), dtype=np.float32)


def _refined(field: Plane) -> Plane:
    """Halve the spacing by corner cutting (¾, ¼), whose limit is the quadratic spline through the field."""
    nodes = 2 * len(field) - 2
    rows, finer = np.empty((nodes, len(field)), dtype=np.float32), np.empty((nodes, nodes), dtype=np.float32)
    rows[0::2], rows[1::2] = 0.75 * field[:-1] + 0.25 * field[1:], 0.25 * field[:-1] + 0.75 * field[1:]
    before, after = rows[:, :-1], rows[:, 1:]
    finer[:, 0::2], finer[:, 1::2] = 0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after
    return finer


def step(value: Plane, width: float) -> Plane:
    """A soft step: 0 far below zero, 1 far above, over about `width`."""
    stepped: Plane = 0.5 + 0.5 * np.tanh(value / width)
    return stepped


def blobs(
    random: np.random.Generator, places: Points, radii: NDArray[np.floating], rough: float = 0.15, long: float = 1.0
) -> Points:
    """Slightly irregular outlines around points, up to `long` times as long as wide: (points, corners, 2)."""
    count, corners = len(places), 14
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    reach = radii[:, None] * (1 + rough * random.standard_normal((count, corners)))
    stretch = np.sqrt(random.uniform(1, long, (count, 1)))
    along, across = np.cos(angles) * stretch * reach, np.sin(angles) / stretch * reach
    turn = random.uniform(0, np.pi, (count, 1))
    x, y = along * np.cos(turn) - across * np.sin(turn), along * np.sin(turn) + across * np.cos(turn)
    return places[:, None] + np.stack([x, y], axis=-1)


def colour(red: float, green: float, blue: float) -> Colours:
    """One colour, which broadcasts to any image."""
    return np.array([red, green, blue], dtype=np.float32)[:, None, None]


def lay(picture: Colours, cover: Plane, over: Colours) -> Colours:
    """Blend a colour over an image, weighted by its coverage."""
    return picture + cover * (over - picture)
