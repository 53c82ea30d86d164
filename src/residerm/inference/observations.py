"""What was observed at a confidence, kept beside a model that has no test part of its own: `observed.json`.

The starter model was trained on all of its archive. What it shows at a confidence was seen on the test parts of
networks that were trained in the same way on other lesions, one view of each image, with calibrated probabilities. It
holds for the calibration that it came with, and is left behind where another one takes its place.
"""

from __future__ import annotations

from typing import Literal

from residerm.documents import Document
from residerm.scores.results import ReliabilityBin

OBSERVED = "observed.json"


class Observations(Document):
    """observed.json: ranges of confidence, and how often the predicted class was right in each."""

    format: Literal[1] = 1
    where: str  # on what, as it is shown to a person after "images of"
    ranges: list[ReliabilityBin]
