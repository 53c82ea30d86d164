"""Skin: its tone, mottling, vessels and freckles, and the conversion of pigments to colour (Beer–Lambert).

    colour = base · exp(−(melanin · M + blood · H + blue · D)), then covered by white and by keratin

with the absorptions M, H and D of red, green and blue light. Colours are planes too: (3, height, width), 0 to 1.
"""

from __future__ import annotations

import numpy as np

from residerm.data.synthetic.canvas import Canvas, Colours, Plane, blobs, colour, lay, step
from residerm.data.synthetic.lesions import Pigments

_BASE = colour(0.96, 0.93, 0.94)
_MELANIN = colour(0.45, 1.00, 1.35)
_BLOOD = colour(0.22, 1.00, 0.62)
_DEEP = colour(1.00, 0.80, 0.55)  # melanin deep in the skin looks blue
_WHITE = colour(0.95, 0.88, 0.88)
_KERATIN = colour(0.88, 0.76, 0.52)


def draw_skin(canvas: Canvas, random: np.random.Generator) -> Pigments:
    """Draw the skin around a lesion: mostly fair, sometimes dark, evenly coloured or mottled by the sun."""
    tone, flush = 0.03 + 0.6 * random.beta(1.0, 5.0), random.uniform(0.04, 0.2)
    mottled, woven = random.uniform(0.1, 0.5), random.uniform(0.1, 0.5)
    grain, web = canvas.noise(random, 0.04, 2), _web(canvas, random, 0.1, 0.5)
    melanin = tone * np.exp(mottled * canvas.noise(random, 0.4, 4) + 0.15 * grain)
    blood = flush * np.exp(mottled * canvas.noise(random, 0.3, 4) + 0.15 * grain) + woven * flush * web
    if random.random() < 0.4:
        melanin += random.uniform(0.05, 0.2) * step(canvas.noise(random, 0.3, 4) - 0.8, 0.9)
    if random.random() < 0.2:
        places = step(canvas.noise(random, 0.5) - 0.3, 0.5)
        blood += random.uniform(0.06, 0.25) * places * _web(canvas, random, 0.25, 0.08)
    if random.random() < 0.2:
        melanin += random.uniform(0.1, 0.4) * _freckles(canvas, random)
    white = np.clip(0.05 + 0.03 * grain, 0, 1)
    return Pigments(melanin, blood, np.zeros_like(white), white, np.zeros_like(white))


def colours(skin: Pigments, lesion: Pigments) -> Colours:
    """The light reflected by the skin with the lesion."""
    absorbed = (skin.melanin + lesion.melanin) * _MELANIN + (skin.blood + lesion.blood) * _BLOOD + lesion.blue * _DEEP
    seen = _BASE * np.exp(-np.maximum(absorbed, 0))
    seen = lay(seen, np.clip(skin.white + lesion.white, 0, 0.9), _WHITE)
    return lay(seen, np.clip(lesion.keratin, 0, 0.9), _KERATIN)


def _web(canvas: Canvas, random: np.random.Generator, size: float, width: float) -> Plane:
    """A net of fibres or vessels, along the zero crossings of a layer of noise."""
    near = canvas.noise(random, size, 3) / width
    return np.exp(-near * near)


def _freckles(canvas: Canvas, random: np.random.Generator) -> Plane:
    places = random.uniform(-canvas.reach, canvas.reach, (random.integers(2, 12), 2))
    return canvas.shapes(blobs(random, places, random.uniform(0.01, 0.04, len(places))), soft=0.012)
