"""Evidence as colour: red for the class, blue against it, on a scale that is the same for every image and model.

No evidence is no colour. `full` logits are full colour and more is shown as that much: nothing is stretched to what an
image happens to hold. Red and blue are told apart with every common colour blindness, and lie on a grey image, because
skin and lesions are red and blue themselves.
"""

from __future__ import annotations

import numpy as np

FOR, AGAINST = np.array([178, 24, 43], np.float32), np.array([33, 102, 172], np.float32)
_OPAQUE = 0.7  # of full colour on an image, so that the image is still seen
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # luminance, ITU-R BT.601


def coloured(evidence: np.ndarray, full: float) -> np.ndarray:
    """Evidence on white."""  # (h, w) → (h, w, 3) uint8
    return _blend(np.full((*evidence.shape, 3), 255, np.float32), evidence, full, opaque=1)


def overlaid(image: np.ndarray, evidence: np.ndarray, full: float) -> np.ndarray:
    """Evidence on an image of the same size, in grey."""  # (s, s, 3), (s, s) → (s, s, 3) uint8
    grey = 40 + (image.astype(np.float32) @ _GREY) * (215 / 255)  # lighter, so that blue is seen on dark lesions
    return _blend(np.repeat(grey[..., None], 3, axis=2), evidence, full, opaque=_OPAQUE)


def _blend(ground: np.ndarray, evidence: np.ndarray, full: float, opaque: float) -> np.ndarray:
    strength = np.minimum(np.abs(evidence) / full, 1)[..., None] * opaque
    colour = np.where(evidence[..., None] > 0, FOR, AGAINST)
    blended: np.ndarray = np.rint(ground + (colour - ground) * strength).astype(np.uint8)
    return blended
