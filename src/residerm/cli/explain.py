"""`residerm explain`: show which pixels are evidence for a class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from residerm.cli.console import out, progress, remarks, show_table
from residerm.cli.options import ImagePaths, Json, ModelPath
from residerm.config import ExplainOptions

if TYPE_CHECKING:
    from residerm.explanation.document import ExplanationDocument


def explain_(
    model: ModelPath,
    /,
    *images: ImagePaths,
    class_: Annotated[str | None, Parameter(name="--class")] = None,
    options: Annotated[ExplainOptions, Parameter(name="*")] = ExplainOptions(),
    output: Annotated[Path, Parameter(name="--out")] = Path("explanations"),
    batch_size: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 16,
    json: Json = False,
) -> int:
    """Show where in an image the evidence for and against a class is. Not a diagnosis.

    Example: residerm explain runs/20260101-120000-resnet50-ham10000-64px-s0 lesion.jpg --class mel

    Parameters
    ----------
    class_
        The class to explain. Default: the predicted one.
    output
        New folder for the pictures, and for their numbers in explanations.json.
    batch_size
        Batch size.
    """
    from residerm.errors import UsageError
    from residerm.explanation.document import write_explanations
    from residerm.explanation.explain import explain
    from residerm.files import require_new_folder
    from residerm.inference import read_description

    if not images:
        raise UsageError("IMAGE is missing: give image files, folders, zips, or a pattern such as '*.jpg'")
    require_new_folder(output)
    with progress() as shown:
        explanations = explain(
            model, images, class_, options.method,
            stage=options.stage, compare=options.compare, neighbours=options.neighbours, batch_size=batch_size,
            progress=shown,
        )  # fmt: skip
        document = write_explanations(explanations, read_description(model), output)
    return _show(document, output, json)


def _show(document: ExplanationDocument, output: Path, json: bool) -> int:
    from residerm.errors import counted
    from residerm.explanation.document import ExplainedImage

    good = [one for one in document.images if isinstance(one, ExplainedImage)]
    failed = [one for one in document.images if not isinstance(one, ExplainedImage)]
    for one in failed:
        remarks.print(f"{one.image}: {one.error}")
    if json:
        print(document.model_dump_json(indent=1))
        return 1 if failed else 0
    rows = [
        [one.image, one.predicted, f"{one.probabilities[one.predicted]:.3f}", one.explained,
         one.against or "all others", one.method + (f" at {one.stage}" if one.stage else ""), one.picture]
        for one in good
    ]  # fmt: skip
    if rows:
        show_table("evidence", ("image", "predicted", "probability", "for", "against", "method", "picture"), rows)
    trained = " (drawn, not photographed)" if document.synthetic else ""
    out.print(f"{counted(len(good), 'image')}, {len(failed):,} unreadable; pictures and numbers: {output}")
    out.print(f"model: {document.model}, trained on {document.trained_on}{trained}")
    out.print(document.notice)
    return 1 if failed else 0
