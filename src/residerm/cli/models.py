"""`residerm models`: list networks with their size and cost."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from residerm.cli.console import out, progress, show_json, show_table
from residerm.cli.options import Json

if TYPE_CHECKING:
    from residerm.models.zoo import ListedModel


def models_(pattern: str | None = None, *, size: int = 64, classes: int = 7, json: Json = False) -> None:
    """List residerm's own networks, or search these and timm's, with their parameters and multiply-adds.

    Example: residerm models resnext --size 224

    Parameters
    ----------
    pattern
        Part of a name, or a pattern with * and ?.
    size
        Image size, in pixels, for which multiply-adds are counted.
    classes
        Number of classes.
    """
    from residerm.models.zoo import list_models

    with progress() as shown:
        models = list_models(pattern, size=size, classes=classes, progress=shown)
    if json:
        show_json([asdict(model) for model in models])
        return
    columns = ("model", "from", "parameters, M", "multiply-adds, M")
    show_table(f"Images of {size} px, {classes} classes", columns, [_row(model) for model in models])
    if any(model.parameters is None for model in models):
        out.print(f"–: does not support images of {size} px; try a larger --size")
    if not pattern:
        out.print("Other depths, by blocks per stage: resnet-basic-2-2-2-2, resnet-bottleneck-3-8-36-3, …")
        out.print("To search timm's networks too: residerm models PATTERN")


def _row(model: ListedModel) -> tuple[str, str, str, str]:
    if model.parameters is None or model.multiply_adds is None:
        return model.name, model.source, f"{'–':>13}", f"{'–':>16}"
    return model.name, model.source, f"{model.parameters / 1e6:>13,.3f}", f"{model.multiply_adds / 1e6:>16,.1f}"
