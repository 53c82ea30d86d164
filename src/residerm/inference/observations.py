"""The observed accuracy by confidence of a model that has no test part: `observed.json`.

The starter model was trained on its whole archive. Its accuracies were observed on the test parts of networks that were
trained in the same way on other lesions, with one view per image and calibrated probabilities. They are only valid for
that calibration, and are dropped when it is replaced.
"""

from __future__ import annotations

from typing import Literal

from residerm.documents import Document
from residerm.scores.results import ReliabilityBin

OBSERVED = "observed.json"


class Observations(Document):
    """observed.json: ranges of confidence, and the accuracy in each."""

    format: Literal[1] = 1
    where: str  # the images, as shown to users after "images of"
    ranges: list[ReliabilityBin]
