"""Evidence for a class, drawn to be laid over the image: orange speaks for it, blue against it, nothing is clear.

The scale is absolute: opacity is evidence in units of the logit, up to `LIMIT`, and no picture is stretched to its
own maximum. An image without evidence stays as it is.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

LIMIT = 8.0
_SIDE = 256
_OPAQUE = 0.85
_FOR, _AGAINST = (230, 97, 1), (26, 110, 190)


def draw(evidence: np.ndarray) -> bytes:
    """A PNG with transparency of evidence (h, w) in units of the logit."""
    signed = Image.fromarray(evidence.astype(np.float32)).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    share = np.clip(np.asarray(signed) / LIMIT, -1, 1)
    picture = np.empty((_SIDE, _SIDE, 4), np.uint8)
    picture[..., :3] = np.where(share[..., None] >= 0, _FOR, _AGAINST)
    picture[..., 3] = np.rint(np.abs(share) * _OPAQUE * 255)
    stream = io.BytesIO()
    Image.fromarray(picture, "RGBA").save(stream, "PNG", compress_level=6)
    return stream.getvalue()


def data_url(png: bytes) -> str:
    """A PNG as a URL that a page can show without another request."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
