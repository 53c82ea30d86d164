"""Options of an evaluation: on which images, how they are viewed, and which class is named."""

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
    """On what, and how, a trained model is scored."""

    data: Path | None = Field(None, description="Another archive to score it on. Default: the run's own test part.")
    layout: str | None = Field(
        None, description="With `data`: name of its layout, where it is not recognised by itself."
    )
    on_bad_image: OnBadImage = Field(
        "error", description="With `data`: stop at an unreadable image, or leave it out and say so."
    )
    task: Task | None = Field(
        None, description="Classes to score in. Default: the model's own; with `data`, what both can tell apart."
    )
    tta: bool = Field(False, description="Average the eight views of flips and quarter turns of each image.")
    prior: bool = Field(
        False, description="Divide by the share that each class had in training, as if all were equally frequent."
    )
    decide: Decision = Field(
        "probable",
        description="The class that is named: the most probable one, or, balanced, the one that is most probable "
        "relative to its share in training, or, malignant, the most probable one on its side of a threshold.",
    )
    sensitivity: float = Field(
        0.95,
        gt=0,
        lt=1,
        description="With `decide=malignant`: the share of malignant lesions to be called malignant; the threshold was "
        "chosen on the validation part.",
    )
    outliers: tuple[Path, ...] = Field(
        (), description="Folder, zip or archive of images from other sources, on which the outlier scores are tested."
    )
    against: Path | None = Field(None, description="Another run, to be compared with on the same images.")
    precision: Precision = Field("auto", description="auto: bf16 where the hardware computes it, else float32.")
    explain: bool = Field(
        False,
        description="Score the model's explanations too (sanity, deletion and insertion, lesion masks); takes minutes.",
    )
    explain_method: Method | None = Field(None, description="With `explain`: the method. Default: as in `explain`.")
    explain_stage: str | None = Field(None, description="With `explain`: the stage whose maps are read.")
    without: Literal["lesion", "background"] | None = Field(
        None,
        description="Paint over the lesion with the skin around it, or everything but the lesion, by its mask: what is "
        "left of the scores then does not come from what is painted over.",
    )
    overwrite: bool = Field(False, description="Score again, and replace the same evaluation.")
