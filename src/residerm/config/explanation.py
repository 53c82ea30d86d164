"""Options of an explanation: which class, by which method, read at which stage."""

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
        "at a stage; occlusion: what is lost when a window is covered; integrated: integrated gradients. "
        "Default: the one that scored best for such a model (docs/explain.md).",
    )
    stage: str | None = Field(
        None, description="With gradcam, hirescam, layercam: the module whose maps are read. Default: the last maps."
    )
    compare: tuple[str, str] | None = Field(
        None, description="Two classes: show why the first and not the second, in place of one class."
    )
    neighbours: int = Field(
        0, ge=0, le=24, description="Show this many training images whose features are nearest, with their classes."
    )
