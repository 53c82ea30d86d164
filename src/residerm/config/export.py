"""Options of an export: the runtime, the precision, and the images on which parity is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from residerm.config.base import Options

ExportPrecision = Literal["float32", "float16", "bf16", "int8"]


class ExportOptions(Options):
    """The runtime and precision that a model is exported to."""

    to: Literal["onnx", "openvino"] | None = Field(
        None, description="Runtime to export to. Default: none; the new bundle is for torch."
    )
    precision: ExportPrecision = Field(
        "float32",
        description="Precision of the exported model. float16 halves the size of the weights and computes in float32. "
        "float16, bf16 and int8 are refused if they could cost more than half a point of balanced accuracy, macro AUC "
        "or calibration error.",
    )
    data: Path | None = Field(
        None,
        description="Archive of images on which the exported model is compared with the original. "
        "Default: the validation part of the run's archive.",
    )
