"""Evidence as colour: red for the class, blue against it, on the same scale for every image and model.

No evidence has no colour; the colour is saturated at `full` logits. Maps are not normalised per image. Red and blue can
be distinguished with all common types of colour blindness, and are drawn on a grey image, because skin and lesions are
red and blue themselves.
"""

from __future__ import annotations

import numpy as np

FOR, AGAINST = np.array([178, 24, 43], np.float32), np.array([33, 102, 172], np.float32)
_OPAQUE = 0.7  # opacity of full colour on an image, so that the image stays visible
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # luminance, ITU-R BT.601


def coloured(evidence: np.ndarray, full: float) -> np.ndarray:
    """Evidence on a white background."""  # (h, w) → (h, w, 3) uint8
    return _blend(np.full((*evidence.shape, 3), 255, np.float32), evidence, full, opaque=1)


def overlaid(image: np.ndarray, evidence: np.ndarray, full: float) -> np.ndarray:
    """Evidence on the image in grey, which has the same size."""  # (s, s, 3), (s, s) → (s, s, 3) uint8
    grey = 40 + (image.astype(np.float32) @ _GREY) * (215 / 255)  # lighter, so that blue is visible on dark lesions
    return _blend(np.repeat(grey[..., None], 3, axis=2), evidence, full, opaque=_OPAQUE)


def _blend(ground: np.ndarray, evidence: np.ndarray, full: float, opaque: float) -> np.ndarray:
    strength = np.minimum(np.abs(evidence) / full, 1)[..., None] * opaque
    colour = np.where(evidence[..., None] > 0, FOR, AGAINST)
    blended: np.ndarray = np.rint(ground + (colour - ground) * strength).astype(np.uint8)
    return blended
