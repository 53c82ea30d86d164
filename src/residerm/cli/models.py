"""`residerm models`: the networks that there are, and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from residerm.cli.console import out, progress, show_json, show_table
from residerm.cli.options import Json

if TYPE_CHECKING:
    from residerm.models.complexity import Complexity


def models_(pattern: str | None = None, *, size: int = 64, classes: int = 7, json: Json = False) -> None:
    """List residerm's own models, or search these and timm's, with their parameters and multiply-adds.

    Example: residerm models resnext --size 224

    Parameters
    ----------
    pattern
        A part of a name, or a pattern with * and ?.
    size
        Side of the images, in pixels, for which multiply-adds are counted.
    classes
        Number of classes.
    """
    from residerm.models.complexity import measure
    from residerm.models.networks import OWN
    from residerm.models.zoo import find

    names = find(pattern) if pattern else list(OWN)
    costs: dict[str, Complexity | None] = {}
    with progress() as shown:
        for done, name in enumerate(names, start=1):
            costs[name] = measure(name, classes, size)
            shown.advance("counting", done, len(names), unit="models")
    if json:
        show_json([_entry(name, cost, size, classes) for name, cost in costs.items()])
        return
    show_table(
        f"Images of {size} px, {classes} classes",
        ("model", "of", "parameters, M", "multiply-adds, M"),
        [_row(name, cost) for name, cost in costs.items()],
    )
    if None in costs.values():
        out.print(f"–: does not run on images of {size} px; try a larger --size")
    if not pattern:
        out.print("Any other depth by the blocks of its stages: resnet-basic-2-2-2-2, resnet-bottleneck-3-8-36-3, …")
        out.print("To search timm's models too: residerm models PATTERN")


def _entry(name: str, cost: Complexity | None, size: int, classes: int) -> dict[str, object]:
    return {
        "name": name,
        "source": _source(name),
        "size": size,
        "classes": classes,
        "parameters": cost.parameters if cost else None,
        "multiply_adds": cost.multiply_adds if cost else None,
    }


def _row(name: str, cost: Complexity | None) -> tuple[str, str, str, str]:
    if cost is None:
        return name, _source(name), f"{'–':>13}", f"{'–':>16}"
    return name, _source(name), f"{cost.parameters / 1e6:>13,.3f}", f"{cost.multiply_adds / 1e6:>16,.1f}"


def _source(name: str) -> str:
    from residerm.models.networks import is_own

    return "residerm" if is_own(name) else "timm"
