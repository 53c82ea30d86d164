"""What the licence of the images means for users of the model.

Whether a licence of images applies to a model that was trained on them is not settled in law. The cautious
interpretation is given, and named as such.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Consequence:
    """The identifier that model hubs use, and the consequence as text."""

    identifier: str
    text: str
    non_commercial: bool = False


def allows_copies(licence: str) -> bool:
    """Whether a licence is known to allow the distribution of small copies with attribution."""
    spelled = _spelled(licence)
    return spelled.startswith(("cc0", "cc-by")) and "-nd" not in spelled


def consequence(licence: str) -> Consequence:
    """The consequence of a licence as an archive states it, such as "CC BY-NC 4.0"."""
    spelled = _spelled(licence)
    if "-nc" in spelled:
        return Consequence(
            spelled if spelled.startswith("cc-") else "other",
            f"The images are licensed {licence}: non-commercial use only, with attribution. On a cautious "
            "interpretation, this also applies to a model trained on them: do not use or sell it commercially without "
            "the permission of the copyright holders.",
            non_commercial=True,
        )
    if spelled.startswith("cc0"):
        return Consequence(
            "unknown",
            f"The images are {licence}: there are no conditions. Attribution is good practice anyway. The publisher of "
            "the model can choose its licence.",
        )
    if spelled.startswith("cc-by"):
        return Consequence(
            spelled,
            f"The images are licensed {licence}: attribution is required, also with a model trained on them.",
        )
    return Consequence(
        "unknown",
        f"The licence of the images is {licence}. Find out what it permits before using or sharing the model.",
    )


def _spelled(licence: str) -> str:
    return re.sub(r"[\s_]+", "-", licence.strip().lower())
