"""Options of predictions for image files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from residerm.config.base import Options
from residerm.config.evaluation import Decision
from residerm.config.export import ExportPrecision
from residerm.config.training import Precision

RuntimeChoice = Literal["auto", "torch", "onnx", "openvino"]
PredictPrecision = Literal[Precision, ExportPrecision]


class PredictOptions(Options):
    """How a model is run on images, and which class is predicted."""

    tta: bool = Field(False, description="Average over eight views of each image: flips and rotations by 90 degrees.")
    decide: Decision = Field(
        "probable",
        description="Which class is predicted. probable: the most probable one; balanced: the one with the highest "
        "probability relative to its frequency in training; malignant: the most probable malignant or benign one, "
        "depending on a threshold on the probability of malignancy, chosen on the validation part for `sensitivity`.",
    )
    sensitivity: float = Field(
        0.95,
        gt=0,
        lt=1,
        description="For the decision malignant: fraction of malignant lesions to be called malignant.",
    )
    runtime: RuntimeChoice = Field(
        "auto",
        description="The library that runs the model. auto: for an exported bundle, the fastest one at export, if it "
        "is installed; for a run, torch.",
    )
    precision: PredictPrecision | None = Field(
        None,
        description="bf16 is faster if the hardware supports it; probabilities of a ResNet-50 were within 0.01 of "
        "those in float32. auto: bf16 if it is faster. Default: float32; for an exported bundle, the precision of its "
        "export.",
    )
    threads: int | None = Field(None, ge=1, description="Number of threads. Default: one per core.")
    batch_size: int = Field(64, ge=1, description="Batch size.")
