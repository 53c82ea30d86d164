"""The dermoscopic structures: each function draws one kind of structure into a lesion.

A function takes the lesion and a strength, from about 0 (invisible) to 1 (unmistakable), and changes the pigments in
place. Patterns rearrange pigment and roughly keep its mean, so the mean colour reveals little about the class.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from residerm.data.synthetic.canvas import Plane, Points, blobs, step
from residerm.data.synthetic.lesions import Lesion

Structure = Callable[[Lesion, float], None]


def network(lesion: Lesion, strength: float) -> None:
    """Pigment network: brown lines of a regular honeycomb that fade towards the border."""
    waves = _lattice(lesion, lesion.drawn(0.045, 0.062), bend=0.22)
    lines = step(0.3 - waves, 1.2) * np.clip(lesion.body.depth * 2.5 + 0.4, 0, 1)
    lesion.pigments.melanin *= 1 + strength * (1.25 * lines - 0.6) * _here_and_there(lesion)


def irregular_network(lesion: Lesion, strength: float) -> None:
    """Atypical network: bent, of uneven thickness, interrupted in parts of the lesion."""
    waves = _lattice(lesion, lesion.drawn(0.055, 0.085), bend=0.6)
    lines = step(0.2 - waves + 0.8 * lesion.noise(0.2, 2), 0.9) * step(lesion.noise(0.35, 2) + 0.2, 0.5)
    lesion.pigments.melanin *= 1 + strength * (1.7 * lines - 0.6)


def globules(lesion: Lesion, strength: float) -> None:
    """Globules: round brown dots, similar and evenly distributed."""
    waves = _lattice(lesion, lesion.drawn(0.05, 0.07), bend=0.22)
    lesion.pigments.melanin *= 1 + strength * (1.4 * step(waves - 1.0, 1.2) - 0.45) * _here_and_there(lesion)


def irregular_globules(lesion: Lesion, strength: float) -> None:
    """Dots and globules of many sizes, concentrated on one side."""
    side = lesion.body.place(lesion.random.uniform(-0.5, 0.5, (1, 2)))
    places = 0.6 * lesion.scattered(12, 30, outer=1.0) + 0.4 * side
    dots = lesion.dots(places, 0.008, 0.028, soft=0.005) * step(lesion.body.depth + 0.1, 0.1)
    lesion.pigments.melanin += 0.8 * strength * dots


def variegation(lesion: Lesion, strength: float) -> None:
    """Several colours: pigment concentrated in patches and on one side, light brown next to black and red."""
    angle = lesion.drawn(0, 2 * math.pi)
    slope = math.cos(angle) * lesion.body.x + math.sin(angle) * lesion.body.y
    patches = 0.7 * lesion.noise(0.9 * lesion.body.radius, 3) + 0.5 * np.clip(slope, -1.2, 1.2)
    lesion.pigments.melanin *= np.exp(strength * patches)
    lesion.pigments.blood += 0.5 * strength * lesion.area(0.8 * lesion.body.radius, threshold=0.6)


def regression(lesion: Lesion, strength: float) -> None:
    """Regression: scar-like pale areas, peppered blue-grey."""
    area = strength * lesion.area(0.8 * lesion.body.radius, threshold=0.5)
    lesion.pigments.melanin *= 1 - 0.8 * area
    lesion.pigments.white += 0.3 * area
    lesion.pigments.blue += 0.5 * area * step(lesion.noise(0.03) - 0.3, 0.8)


def veil(lesion: Lesion, strength: float) -> None:
    """Blue-white veil: a structureless blue patch under a ground-glass film."""
    right, down = lesion.random.uniform(-0.45, 0.45, 2).tolist()
    distance = np.sqrt((lesion.body.x - right) ** 2 + (lesion.body.y - down) ** 2)
    patch = step(lesion.drawn(0.4, 0.7) - distance + 0.2 * lesion.noise(0.15, 3), 0.25) * lesion.body.cover
    lesion.pigments.melanin *= 1 - 0.5 * strength * patch
    lesion.pigments.blue += 0.7 * strength * patch
    lesion.pigments.white += 0.3 * strength * patch * step(lesion.noise(0.08, 2), 1.0)


def streaks(lesion: Lesion, strength: float) -> None:
    """Streaks: dark spokes across the border over part of its length."""
    angle = np.arctan2(lesion.body.y, lesion.body.x)
    waves = np.cos(int(lesion.random.integers(18, 30)) * angle + 1.2 * lesion.noise(0.12, 2))
    spokes = step(waves - 0.1, 0.7)
    sector = step(np.cos(angle - lesion.drawn(-math.pi, math.pi)) - lesion.drawn(-0.4, 0.6), 0.3)
    belt = (lesion.body.depth + 0.02) / 0.2
    lesion.pigments.melanin += strength * spokes * sector * np.exp(-belt * belt)


def cysts(lesion: Lesion, strength: float) -> None:
    """Milia-like cysts: small round white-yellow points."""
    spots = strength * lesion.dots(lesion.scattered(8, 26), 0.010, 0.022, soft=0.005)
    lesion.pigments.melanin *= 1 - 0.75 * spots
    lesion.pigments.white += 0.7 * spots
    lesion.pigments.keratin += 0.15 * spots


def openings(lesion: Lesion, strength: float) -> None:
    """Comedo-like openings: brown-black plugs in round pits."""
    plugs = lesion.dots(lesion.scattered(6, 18), 0.010, 0.030, soft=0.006)
    lesion.pigments.melanin += strength * plugs
    lesion.pigments.keratin += 0.1 * strength * lesion.body.cover


def ridges(lesion: Lesion, strength: float) -> None:
    """Fissures and ridges, like the folds of a brain."""
    folds = _waves(lesion, lesion.drawn(0.055, 0.09), 1.0, (0.0,)) * _here_and_there(lesion)
    lesion.pigments.melanin *= 1 + 0.5 * strength * folds
    lesion.pigments.keratin += 0.1 * strength * lesion.body.cover * (1 - folds)


def vessels(lesion: Lesion, strength: float) -> None:
    """Arborising vessels: sharp red trunks that branch into twigs."""
    lines: list[tuple[Points, float]] = []
    for start in lesion.scattered(2, 5, inner=0.6, outer=1.0):
        inwards = lesion.body.centre - start
        _branch(lesion, lines, start, math.atan2(inwards[1], inwards[0]), lesion.drawn(0.010, 0.017))
    lesion.pigments.blood += 1.2 * strength * lesion.canvas.strokes(lines, soft=0.003)


def nests(lesion: Lesion, strength: float) -> None:
    """Leaf-like areas and ovoid nests: well-defined blue-grey islands, mostly towards the border."""
    places = lesion.scattered(4, 11, inner=0.3, outer=0.95)
    radii = lesion.random.uniform(0.02, 0.06, len(places))
    islands = lesion.canvas.shapes(blobs(lesion.random, places, radii, rough=0.2, long=2.5), soft=0.010)
    mottled = strength * islands * (1 + 0.3 * lesion.noise(0.05, 2))
    lesion.pigments.blue += 0.65 * mottled
    lesion.pigments.melanin += 0.25 * mottled


def strawberry(lesion: Lesion, strength: float) -> None:
    """Strawberry pattern: a red net around pale, plugged follicles."""
    waves = _lattice(lesion, lesion.drawn(0.065, 0.095), bend=0.3)
    follicles = step(waves - 1.3, 0.9) * lesion.body.cover * _here_and_there(lesion)
    lesion.pigments.blood *= 1 + strength * (0.5 - 1.3 * follicles)
    lesion.pigments.white += 0.3 * strength * follicles
    lesion.pigments.keratin += 0.25 * strength * step(waves - 2.2, 0.4) * lesion.body.cover


def scales(lesion: Lesion, strength: float) -> None:
    """Scales: loose white and yellowish flakes."""
    flakes = strength * step(lesion.noise(0.09, 3) - 1.1, 0.5) * lesion.body.cover
    lesion.pigments.white += 0.6 * flakes
    lesion.pigments.keratin += 0.15 * flakes


def scar(lesion: Lesion, strength: float) -> None:
    """A white scar-like patch in the centre."""
    border = lesion.drawn(0.35, 0.6) + 0.15 * lesion.noise(0.15, 3)
    patch = strength * step(border - lesion.body.distance, 0.25)
    lesion.pigments.melanin *= 1 - 0.85 * patch
    lesion.pigments.blood *= 1 - 0.5 * patch
    lesion.pigments.white += patch * (0.4 + 0.12 * lesion.noise(0.06, 2))


def rim(lesion: Lesion, strength: float) -> None:
    """A delicate network in a ring, fading inwards and outwards."""
    belt = (lesion.body.distance - 0.75 + 0.1 * lesion.noise(0.2, 2)) / 0.3
    lines = step(0.2 - _lattice(lesion, lesion.drawn(0.045, 0.06), bend=0.25), 1.2)
    lesion.pigments.melanin += 0.5 * strength * np.exp(-belt * belt) * lines


def lacunae(lesion: Lesion, strength: float) -> None:
    """Lacunae: rounded red to purple lakes with pale septa between them."""
    waves = _lattice(lesion, lesion.drawn(0.08, 0.12), bend=0.25)
    septa = step(-0.3 - waves, 0.9) * lesion.body.cover
    lakes = 0.3 * lesion.noise(0.12)
    lesion.pigments.blood *= 1 + strength * (0.25 + lakes - 0.85 * septa)
    lesion.pigments.blue += strength * np.clip(lakes, 0, 1) * lesion.body.cover
    lesion.pigments.white += 0.15 * strength * septa


def thrombosis(lesion: Lesion, strength: float) -> None:
    """Thrombosed lakes: blue-black."""
    area = strength * lesion.area(0.7 * lesion.body.radius, threshold=0.4, soft=0.3)
    lesion.pigments.blue += 1.2 * area
    lesion.pigments.melanin += 0.5 * area


def shiny_streaks(lesion: Lesion, strength: float) -> None:
    """Short white shiny lines, parallel and at right angles."""
    turn, lines = lesion.drawn(0, math.pi), []
    for place in lesion.scattered(6, 16, outer=0.7):
        angle = turn + (math.pi / 2) * lesion.random.integers(0, 2)
        along = np.array([math.cos(angle), math.sin(angle)]) * lesion.drawn(0.02, 0.05)
        lines.append((np.stack([place - along, place + along]), 0.008))
    lesion.pigments.white += 0.55 * strength * lesion.canvas.strokes(lines, soft=0.005)


def _here_and_there(lesion: Lesion) -> Plane:
    """Uneven coverage, because no pattern is the same everywhere."""
    return 0.3 + 0.7 * step(lesion.noise(0.2, 3) + 0.5, 0.9)


def _lattice(lesion: Lesion, period: float, bend: float) -> Plane:
    """Three plane waves at 120°: 3 at the points of a triangular lattice, down to −1.5 in between; bent by noise."""
    return _waves(lesion, period, bend, (0, 2 * math.pi / 3, 4 * math.pi / 3))


def _waves(lesion: Lesion, period: float, bend: float, angles: tuple[float, ...]) -> Plane:
    x = lesion.canvas.x + bend * period * lesion.noise(3 * period, 2)
    y = lesion.canvas.y + bend * period * lesion.noise(3 * period, 2)
    turn, number = lesion.drawn(0, math.pi), 2 * math.pi / (period * math.sqrt(0.75))
    waves = np.zeros_like(x)
    for angle in angles:
        waves += np.cos(number * math.cos(turn + angle) * x + number * math.sin(turn + angle) * y)
    return waves


def _branch(lesion: Lesion, lines: list[tuple[Points, float]], start: Points, angle: float, width: float) -> None:
    """A winding vessel from `start` that gets thinner towards its end and branches into twigs."""
    place = start
    for _ in range(7):
        angle += lesion.random.normal(0, 0.35)
        length = lesion.body.radius * lesion.drawn(0.08, 0.16)
        following = place + length * np.array([math.cos(angle), math.sin(angle)])
        lines.append((np.stack([place, following]), width))
        place, width = following, 0.9 * width
        if width > 0.006 and lesion.random.random() < 0.4:
            side = lesion.random.choice([-1, 1]) * lesion.drawn(0.5, 1.1)
            _branch(lesion, lines, place, angle + side, 0.6 * width)
