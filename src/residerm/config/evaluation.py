"""Options of an evaluation: the images, their views, and the decision rule."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from residerm.config.base import Options
from residerm.config.data import OnBadImage, Task
from residerm.config.explanation import Method
from residerm.config.training import Precision

Decision = Literal["probable", "balanced", "malignant"]


class EvaluateOptions(Options):
    """The images on which a trained model is scored, and how."""

    data: Path | None = Field(None, description="Another archive to score on. Default: the test part of the run.")
    layout: str | None = Field(
        None, description="With `data`: layout of the archive, if it is not recognised automatically."
    )
    on_bad_image: OnBadImage = Field(
        "error", description="With `data`: stop at an unreadable image, or skip it with a note."
    )
    task: Task | None = Field(
        None,
        description="Classes to score. Default: those of the model; with `data`, the finest that both distinguish.",
    )
    tta: bool = Field(False, description="Average over eight views of each image: flips and rotations by 90 degrees.")
    prior: bool = Field(
        False, description="Divide probabilities by the class frequencies in training, as if all were equally frequent."
    )
    decide: Decision = Field(
        "probable",
        description="Which class is predicted. probable: the most probable one; balanced: the one with the highest "
        "probability relative to its frequency in training; malignant: the most probable malignant or benign one, "
        "depending on a threshold on the probability of malignancy.",
    )
    sensitivity: float = Field(
        0.95,
        gt=0,
        lt=1,
        description="For the decision malignant: fraction of malignant lesions to be called malignant, for which the "
        "threshold is chosen on the validation part.",
    )
    outliers: tuple[Path, ...] = Field(
        (), description="Folder, zip or archive of images from other sources, to test the outlier scores on."
    )
    against: Path | None = Field(None, description="Another run to compare with on the same images.")
    precision: Precision = Field("auto", description="auto: bf16 if the hardware supports it, else float32.")
    explain: bool = Field(
        False,
        description="Also score the model's explanations (sanity, deletion and insertion, lesion masks); takes "
        "minutes.",
    )
    explain_method: Method | None = Field(None, description="With `explain`: the method. Default: as in `explain`.")
    explain_stage: str | None = Field(None, description="With `explain`: the module whose feature maps are used.")
    without: Literal["lesion", "background"] | None = Field(
        None,
        description="Use the lesion masks to paint over the lesion with the skin around it, or over everything else; "
        "the scores that remain do not depend on what is painted over.",
    )
    overwrite: bool = Field(False, description="Score again, and replace an existing evaluation.")
