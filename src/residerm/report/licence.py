"""What the licence of the images means for who uses the model: said plainly, and never guessed.

Whether a licence of images binds a model that was trained on them is not settled in law. The cautious reading is
given, and that it is one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Consequence:
    """The identifier that model hubs know, and the consequence in words."""

    identifier: str
    text: str
    non_commercial: bool = False


def allows_copies(licence: str) -> bool:
    """Whether a licence is known to allow small copies of the images to be handed on, with their source named."""
    spelled = _spelled(licence)
    return spelled.startswith(("cc0", "cc-by")) and "-nd" not in spelled


def consequence(licence: str) -> Consequence:
    """What follows from a licence as an archive states it, such as "CC BY-NC 4.0"."""
    spelled = _spelled(licence)
    if "-nc" in spelled:
        return Consequence(
            spelled if spelled.startswith("cc-") else "other",
            f"The images are licensed {licence}: non-commercial use only, and their authors must be named. On the "
            "cautious reading this holds for a model trained on them as well: do not use or sell it commercially "
            "without the permission of those who own the images.",
            non_commercial=True,
        )
    if spelled.startswith("cc0"):
        return Consequence(
            "unknown",
            f"The images are {licence}: they come without conditions. Naming their authors is good practice all the "
            "same. The licence of the model is for its publisher to choose.",
        )
    if spelled.startswith("cc-by"):
        return Consequence(
            spelled,
            f"The images are licensed {licence}: their authors must be named, with a model trained on them too.",
        )
    return Consequence(
        "unknown",
        f"The licence of the images is {licence}. Find out what it allows before the model is used or handed on.",
    )


def _spelled(licence: str) -> str:
    return re.sub(r"[\s_]+", "-", licence.strip().lower())
