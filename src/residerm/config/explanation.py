"""Options of an explanation: the method, the stage, and the classes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from residerm.config.base import Options

Method = Literal["cam", "gradcam", "hirescam", "layercam", "occlusion", "integrated"]


class ExplainOptions(Options):
    """What is explained, and how."""

    method: Method | None = Field(
        None,
        description="cam: class activation map, exact, without torch; gradcam, hirescam, layercam: from the gradient "
        "at a stage; occlusion: the change when a window is covered; integrated: integrated gradients. "
        "Default: the one that scored best for this type of model (docs/explain.md).",
    )
    stage: str | None = Field(
        None, description="With gradcam, hirescam, layercam: the module whose feature maps are used. Default: the last."
    )
    compare: tuple[str, str] | None = Field(
        None, description="Two classes: show the evidence for the first against the second, instead of for one class."
    )
    neighbours: int = Field(
        0, ge=0, le=24, description="Show this many training images with the nearest features, and their classes."
    )
