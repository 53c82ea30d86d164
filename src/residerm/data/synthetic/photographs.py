"""Draw a planned photograph and the mask of its lesion."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

from residerm.config import SyntheticOptions
from residerm.data.synthetic.canvas import Canvas, View
from residerm.data.synthetic.dermoscope import draw_dermoscope, expose
from residerm.data.synthetic.foreground import draw_foreground, draw_hair
from residerm.data.synthetic.plan import Photograph
from residerm.data.synthetic.recipes import draw_lesion
from residerm.data.synthetic.skin import colours, draw_skin


def draw_photograph(photograph: Photograph, options: SyntheticOptions) -> tuple[Image.Image, Image.Image]:
    """Draw one photograph and the one-bit mask of its lesion.

    The person, the lesion and the device are drawn from the lesion's random generator; the view, the light and the
    position of the hair from the photograph's own.
    """
    lasting = np.random.default_rng([options.seed, 1, photograph.case.number])
    passing = np.random.default_rng([options.seed, 2, photograph.number])
    canvas = Canvas(options.width, options.height, _view(passing))
    device, hair, skin = draw_dermoscope(lasting), draw_hair(lasting), draw_skin(canvas, lasting)
    body, pigments = draw_lesion(canvas, lasting, photograph.case.diagnosis)
    seen = draw_foreground(canvas, passing, hair, colours(skin, pigments))
    return expose(canvas, passing, device, seen), Image.fromarray(body.depth > 0)


def encoded(photograph: Photograph, options: SyntheticOptions) -> tuple[bytes, bytes]:
    """Draw one photograph as the bytes of a JPEG, and its mask as those of a PNG."""
    picture, mask = draw_photograph(photograph, options)
    return _bytes(picture, "JPEG"), _bytes(mask, "PNG")


def _view(random: np.random.Generator) -> View:
    right, down = random.normal(0, 0.05, 2).clip(-0.15, 0.15).tolist()
    return View(random.normal(0, 0.4), math.exp(random.uniform(-0.15, 0.2)), (right, down))


def _bytes(image: Image.Image, file_format: str) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, quality=92)  # PNG ignores the quality
    return file.getvalue()
