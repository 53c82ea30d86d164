"""Options of an export: for which runtime, in which precision, and on which images parity is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from residerm.config.base import Options

ExportPrecision = Literal["float32", "float16", "bf16", "int8"]


class ExportOptions(Options):
    """What a model is exported to."""

    to: Literal["onnx", "openvino"] | None = Field(
        None, description="Runtime to export to. Default: none; the model stays in torch, as a bundle of its own."
    )
    precision: ExportPrecision = Field(
        "float32",
        description="Precision of the exported model. float16 stores the weights in half of the bytes and computes in "
        "float32. float16, bf16 and int8 are refused where they could cost more than half a "
        "point of balanced accuracy, macro AUC or calibration error.",
    )
    data: Path | None = Field(
        None,
        description="Archive with the images on which the exported model is compared with the original. "
        "Default: the validation part of the run's own.",
    )
