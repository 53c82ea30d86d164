"""An evaluation, which is a folder in a run's `evaluations/`, and the types of its files.

<name>/
    scores.json        every score with its interval (`EvaluationScores`); written last
    predictions.csv    the predictions for each image, in full precision
    outputs.npz        the logits and features of each image
    explanation.json   how faithful the model's explanations are, if they were scored
    comparison.json    the differences from another run, if it was compared with one
    gallery.json       the images of the gallery, with their thumbnails in gallery/
    figures/           figures as PNG and SVG
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

EVALUATIONS = "evaluations"  # the folder of all evaluations, in that of a run or a bundle
SCORES, COMPARISON, GALLERY = "scores.json", "comparison.json", "gallery.json"
PREDICTIONS, OUTPUTS = "predictions.csv", "outputs.npz"


class Alignment(Section):
    """How the classes of an archive and of a model were aligned."""

    task: str = "diagnosis"
    map: dict[str, str | None]  # class of the archive → common class; None: left out
    unmapped: dict[str, int]  # class that the model does not have → its images
    model: dict[str, str | None] = Field(default_factory=dict)  # class of the model → common class


class TrainingScores(Section):
    """The headline scores on images of the training part, without augmentation."""

    images: int
    of: int | None = None  # images in the training part
    headline: dict[str, Estimate]


class EvaluationScores(Assessment, Document):
    """scores.json: the images and options of an evaluation, and all scores.

    Later additions, such as trust, are optional fields, so that older files stay readable.
    """

    remedy: ClassVar[str] = REMEDY

    format: Literal[1]
    archive: str
    path: str = ""  # of the archive
    content: str = ""  # SHA-256 of the scored images and labels; empty in files of older versions
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
    """One entry of gallery.json: an image and its prediction."""

    image_id: str
    file: str
    overlay: str | None = None  # the same picture with the evidence for the predicted class
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
        """Read the evaluation in a folder, which must have a valid scores.json."""
        return cls(folder, EvaluationScores.read(folder / SCORES))

    @property
    def name(self) -> str:
        """The name of the folder, which contains archive, part and options."""
        return self.folder.name

    @property
    def group_name(self) -> str:
        """What groups the images: lesion, patient, or image if the archive has no groups."""
        return self.scores.group_name or "image"

    @property
    def plain(self) -> bool:
        """Whether the model's own predictions were scored: one view per image, no changes, its own classes."""
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
        """The images of the gallery; empty if there is none."""
        path = self.folder / GALLERY
        return read_list(GalleryImage, path, REMEDY) if path.exists() else []

    @cached_property
    def comparison(self) -> RunComparison | None:
        """The differences from another run, if it was compared with one."""
        path = self.folder / COMPARISON
        return RunComparison.read(path) if path.exists() else None

    @cached_property
    def explanations(self) -> list[ExplanationScores]:
        """The scores of explanations, those of the default method first; empty if there are none."""
        paths = sorted(self.folder.glob(f"{EXPLANATION}*.json"), key=lambda path: (len(path.name), path.name))
        return [ExplanationScores.read(path) for path in paths]
