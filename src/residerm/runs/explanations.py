"""explanation.json of an evaluation: how faithful a model's explanations are."""

from __future__ import annotations

from typing import ClassVar, Literal

from residerm.documents import Document, Section
from residerm.runs.predictions import REMEDY
from residerm.scores import Estimate, Resampling

EXPLANATION = "explanation"


def explanation_file(method: str | None, stage: str | None) -> str:
    """The file name for a method and a stage; None is the default."""
    return f"{'-'.join([EXPLANATION, *filter(None, (method, stage))])}.json"


class FaithfulnessScores(Section):
    """Deletion and insertion scores of a map, and how much better the model's own map is (positive: better)."""

    deletion: Estimate
    insertion: Estimate
    deletion_gain: Estimate | None = None
    insertion_gain: Estimate | None = None


class SanityLevel(Section):
    """The rank correlation with the true map when a module and all above it have random weights."""

    module: str
    correlation: Estimate


class LesionScores(Section):
    """How much of the evidence for the predicted class is inside the lesion, by the lesion masks."""

    images: int
    share: Estimate  # of the image that the lesion covers
    energy: Estimate
    pointing: Estimate
    quotient: Estimate  # background to lesion
    quotient_by_class: dict[str, Estimate]


class ExplanationScores(Document):
    """How faithful the maps of one method are, for the predicted classes of test images."""

    remedy: ClassVar[str] = REMEDY

    format: Literal[1] = 1
    method: str
    title: str
    stage: str = ""
    places: int  # along a side of a map
    images: int
    groups: int
    of: int  # images that they were drawn from
    group_name: str
    bootstrap: Resampling
    own: FaithfulnessScores
    centred: FaithfulnessScores  # gains are those of the model's own map over this one
    noise: FaithfulnessScores
    sanity: tuple[SanityLevel, ...] = ()
    sanity_images: int = 0
    lesion: LesionScores | None = None
    no_lesion: str | None = None  # why there are none, or not for all images
    masks_left_out: int = 0

    @property
    def beats_centred(self) -> bool:
        """Whether the intervals of both gains over a centred Gaussian are above zero."""
        gains = (self.centred.deletion_gain, self.centred.insertion_gain)
        return all(gain is not None and gain.relative_to(0) == 1 for gain in gains)
