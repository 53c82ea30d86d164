"""Draw evidence as a picture to overlay on the image: red for the class, blue against it, transparent if there is none.

The scale is that of `explanation`: opacity is proportional to the evidence in logits, up to `FULL`. Pictures are not
normalised to their own maximum.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from residerm.explanation.colours import AGAINST, FOR
from residerm.explanation.evidence import resized
from residerm.explanation.methods import METHODS

FULL = METHODS["cam"].full  # logits
_SIDE = 256
_OPAQUE = 0.9


def draw_overlay(evidence: np.ndarray) -> bytes:
    """Draw evidence (h, w), in logits, as a PNG with transparency."""
    share = np.clip(resized(evidence[None], _SIDE)[0] / FULL, -1, 1)
    picture = np.empty((_SIDE, _SIDE, 4), np.uint8)
    picture[..., :3] = np.where(share[..., None] > 0, FOR, AGAINST)
    picture[..., 3] = np.rint(np.abs(share) * _OPAQUE * 255)
    return _png(picture)


def data_url(png: bytes) -> str:
    """A PNG as a data URL."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def picture(pixels: np.ndarray) -> bytes:
    """The pixels that the model saw, as a PNG."""
    return _png(pixels)


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=3)
    return stream.getvalue()
