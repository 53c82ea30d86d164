"""`residerm predict`: what a model says of image files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter, validators

from residerm.cli.console import out, progress, remarks, show_json, show_table
from residerm.config import Decision
from residerm.disclaimer import DISCLAIMER

if TYPE_CHECKING:
    from residerm.inference import Predictor
    from residerm.inference.prediction import Line

_TITLES: dict[Decision, str] = {
    "probable": "probabilities",
    "balanced": "probabilities; predicted is the class that is most probable beside its share in training",
    "malignant": "probabilities; predicted is the most probable class on its side of the threshold for malignancy",
}


def predict_(
    model: Path,
    /,
    *images: str,
    output: Annotated[Path | None, Parameter(name="--out")] = None,
    tta: bool = False,
    decide: Decision = "probable",
    sensitivity: float = 0.95,
    runtime: Literal["auto", "torch", "onnx", "openvino"] = "auto",
    precision: Literal["auto", "float32", "bf16", "int8"] | None = None,
    threads: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None,
    batch_size: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 64,
    json: bool = False,
) -> int:
    """Say what a model makes of images: files, folders, zips or patterns. Not a diagnosis.

    Example: residerm predict runs/20260101-120000-resnet50-ham10000-64px-s0 photographs --out answers.csv

    Parameters
    ----------
    model
        A finished run, or a bundle.
    images
        Image files, folders and zips of images, patterns such as '*.jpg'.
    output
        File for all probabilities, .csv or .json.
    tta
        Average the eight views of flips and quarter turns.
    decide
        The class that is named: probable, the most probable one; balanced, the one that is most probable relative to
        its share in training; malignant, the most probable one on its side of a threshold on the probability of
        malignancy, chosen on the validation part for --sensitivity.
    sensitivity
        With --decide malignant: the share of malignant lesions to be called malignant.
    runtime
        The library that runs the model. auto: of an exported bundle the one that was the fastest when it was
        exported, if it is installed; of a run, torch.
    precision
        bf16 is faster where the hardware has it; probabilities of a ResNet-50 were within 0.01 of those in float32.
        auto: bf16 where it is faster. Default: float32, and of an exported bundle the precision of its export.
    threads
        Threads of the runtime. Default: one for each core.
    batch_size
        Images that go through the network together.
    json
        Print everything as JSON.
    """
    from residerm.errors import UsageError
    from residerm.inference import load
    from residerm.inference.answers import Rule
    from residerm.inference.prediction import predict, require_place, write_lines

    if not images:
        raise UsageError("IMAGE is missing: give image files, folders, zips, or a pattern such as '*.jpg'")
    if output:
        require_place(output)
    predictor = load(model, runtime=runtime, precision=precision, threads=threads)
    rule = Rule(predictor, 8 if tta else 1, decide, sensitivity)
    if rule.threshold:
        remarks.print(f"note: {rule.threshold.explained}")
    with progress() as shown:
        lines = list(
            predict(
                predictor,
                images,
                views=rule.views,
                decide=decide,
                sensitivity=sensitivity,
                batch_size=batch_size,
                progress=shown,
            )
        )
    if output:
        write_lines(lines, predictor, output, decide)
    _show(lines, predictor, output, decide, json)
    return 1 if any(line.error for line in lines) else 0


def _show(lines: Sequence[Line], predictor: Predictor, output: Path | None, decide: Decision, json: bool) -> None:
    from residerm.inference.prediction import as_document

    if json:
        show_json(as_document(lines, predictor, decide))
    elif not output:
        _show_table([line for line in lines if not line.error], predictor.description.classes, _TITLES[decide])
    for line in lines:
        if line.error:
            remarks.print(f"{line.name}: {line.error}")
    if not json:
        failed = sum(bool(line.error) for line in lines)
        out.print(
            f"{len(lines) - failed:,} images, {failed:,} that could not be read" + (f"; {output}" if output else "")
        )
        _show_model(predictor)


def _show_table(lines: Sequence[Line], classes: Sequence[str], title: str) -> None:
    if not lines:
        return
    judged = any(line.judgement for line in lines)
    rows = [
        [line.name, _answer(line), *([_set(line)] * judged), *(f"{share:.3f}" for share in line.probabilities)]
        for line in lines
    ]
    show_table(title, ("image", "predicted", *(["cannot be ruled out"] * judged), *classes), rows)
    for line in lines:
        for remark in line.judgement.remarks if line.judgement else ():
            out.print(f"{line.name}: {remark}")


def _answer(line: Line) -> str:
    return "cannot tell" if line.judgement and line.judgement.abstained else line.predicted


def _set(line: Line) -> str:
    return ", ".join(line.judgement.prediction_set) if line.judgement else ""


def _show_model(predictor: Predictor) -> None:
    description, trust = predictor.description, predictor.trust
    trained = " (synthetic images)" if description.synthetic else ""
    out.print(f"model: {description.model}, trained on {description.archive}{trained}")
    out.print(f"runtime: {predictor.runtime}, {predictor.precision}")
    if trust:
        for text in trust.summary.explained:
            out.print(text)
    out.print(DISCLAIMER)
