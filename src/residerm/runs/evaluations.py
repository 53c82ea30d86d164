"""An evaluation: a folder in a run's `evaluations/`, and the types of the files in it.

<name>/
    scores.json        every score with its interval (`EvaluationScores`); written last
    predictions.csv    what the model answered to each image, in full precision
    outputs.npz        its logits and features for them
    explanation.json   how far the model's explanations can be believed, where that was scored
    comparison.json    the differences from another run, where one was compared with
    gallery.json       the images that are shown, with their thumbnails in gallery/
    figures/           as PNG and SVG
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from residerm.documents import Document, Section, read_list
from residerm.outputs import Outputs
from residerm.runs.explanations import EXPLANATION, ExplanationScores
from residerm.runs.predictions import REMEDY, PredictionTable, read_outputs
from residerm.scores import Assessment, Comparison, Estimate, Subgroup
from residerm.scores.trust_results import TrustScores

SCORES, COMPARISON, GALLERY = "scores.json", "comparison.json", "gallery.json"
PREDICTIONS, OUTPUTS = "predictions.csv", "outputs.npz"


class Alignment(Section):
    """How the classes of an archive and of a model were brought together."""

    task: str = "diagnosis"
    map: dict[str, str | None]  # class of the archive → common class; None: left out
    unmapped: dict[str, int]  # class that the model does not have → its images
    model: dict[str, str | None] = Field(default_factory=dict)  # class of the model → common class


class TrainingScores(Section):
    """The headline scores of images of the training part, as they are."""

    images: int
    of: int | None = None  # images in the training part
    headline: dict[str, Estimate]


class EvaluationScores(Assessment, Document):
    """scores.json: on what a model was scored, how, and every score.

    Further sections, such as trust or explanations, are optional fields, so that older files stay readable.
    """

    remedy: ClassVar[str] = REMEDY

    format: Literal[1]
    archive: str
    path: str = ""  # where the archive lay
    content: str = ""  # SHA-256 of what was scored; empty in files of older versions
    model: str = ""  # SHA-256 of the bundle
    synthetic: bool
    part: str
    images: int
    groups: int
    group_name: str
    classes: tuple[str, ...]
    task: str = "diagnosis"
    tta: bool
    prior: bool
    decide: str = "probable"
    precision: str = ""
    without: Literal["lesion", "background"] | None = None  # what was painted over
    mapping: Alignment | None = None
    by_attribute: dict[str, list[Subgroup]]
    trust: TrustScores | None = None
    training: TrainingScores | None = None
    gap: dict[str, float] | None = None
    seconds: float | None = None


class RunComparison(Comparison, Document):
    """comparison.json: the paired differences from another run on the same images."""

    remedy: ClassVar[str] = REMEDY

    against: str


class GalleryImage(Section):
    """One line of gallery.json: an image that is shown, and what the model answered to it."""

    image_id: str
    file: str
    overlay: str | None = None  # the same picture with the evidence for the class that was named
    label: str
    predicted: str
    confidence: float
    probability_of_label: float
    kind: Literal["error", "right"]


@dataclass(frozen=True)
class Evaluation:
    """The folder of an evaluation, with its scores."""

    folder: Path
    scores: EvaluationScores
    new: bool = False  # computed now, not read

    @classmethod
    def read(cls, folder: Path) -> Evaluation:
        """The evaluation in a folder; its scores.json must be whole."""
        return cls(folder, EvaluationScores.read(folder / SCORES))

    @property
    def name(self) -> str:
        """The folder's name, which says archive, part and variant."""
        return self.folder.name

    @property
    def group_name(self) -> str:
        """What images belong together by: lesion, patient, or image where the archive does not say."""
        return self.scores.group_name or "image"

    @property
    def plain(self) -> bool:
        """Whether each image was given to the model once, and its answers taken as they are."""
        scores = self.scores
        changed = scores.tta or scores.prior or scores.decide != "probable" or scores.without
        return not (changed or scores.mapping)

    @cached_property
    def predictions(self) -> PredictionTable:
        """The rows of predictions.csv."""
        return PredictionTable.read(self.folder / PREDICTIONS, self.scores.classes)

    @cached_property
    def outputs(self) -> Outputs:
        """Logits and features of the scored images."""
        return read_outputs(self.folder / OUTPUTS)

    @cached_property
    def gallery(self) -> list[GalleryImage]:
        """The images that are shown; none where there is no gallery."""
        path = self.folder / GALLERY
        return read_list(GalleryImage, path, REMEDY) if path.exists() else []

    @cached_property
    def comparison(self) -> RunComparison | None:
        """The differences from another run, where one was compared with."""
        path = self.folder / COMPARISON
        return RunComparison.read(path) if path.exists() else None

    @cached_property
    def explanations(self) -> list[ExplanationScores]:
        """How far explanations can be believed, where that was scored; those of the default method first."""
        paths = sorted(self.folder.glob(f"{EXPLANATION}*.json"), key=lambda path: (len(path.name), path.name))
        return [ExplanationScores.read(path) for path in paths]
