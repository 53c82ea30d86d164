"""Options of a prediction on image files."""

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
    """How a model is asked about images, and which class is named."""

    tta: bool = Field(False, description="Average the eight views of flips and quarter turns of each image.")
    decide: Decision = Field(
        "probable",
        description="The class that is named: probable, the most probable one; balanced, the one with the highest "
        "probability relative to its frequency in training; malignant, the most probable one on its side of a "
        "threshold on the probability of malignancy, chosen on the validation part for `sensitivity`.",
    )
    sensitivity: float = Field(
        0.95, gt=0, lt=1, description="With `decide` malignant: the share of malignant lesions to be called malignant."
    )
    runtime: RuntimeChoice = Field(
        "auto",
        description="The library that runs the model. auto: of an exported bundle the one that was the fastest when it "
        "was exported, if it is installed; of a run, torch.",
    )
    precision: PredictPrecision | None = Field(
        None,
        description="bf16 is faster where the hardware has it; probabilities of a ResNet-50 were within 0.01 of those "
        "in float32. auto: bf16 where it is faster. Default: float32, and of an exported bundle the precision of its "
        "export.",
    )
    threads: int | None = Field(None, ge=1, description="Threads of the runtime. Default: one for each core.")
    batch_size: int = Field(64, ge=1, description="Images that go through the network together.")
