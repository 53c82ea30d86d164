"""`residerm predict`: predict the classes of image files."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from residerm.cli.console import out, progress, remarks, show_json, show_table
from residerm.cli.options import ImagePaths, Json, ModelPath
from residerm.config import Decision, PredictOptions
from residerm.disclaimer import DISCLAIMER

if TYPE_CHECKING:
    from residerm.inference import Predictor
    from residerm.inference.prediction import Line

_TITLES: dict[Decision, str] = {
    "probable": "probabilities",
    "balanced": "probabilities; predicted is the class with the highest one relative to its frequency in training",
    "malignant": "probabilities; predicted is the most probable malignant or benign class, depending on the threshold",
}


def predict_(
    model: ModelPath,
    /,
    *images: ImagePaths,
    output: Annotated[Path | None, Parameter(name="--out")] = None,
    options: Annotated[PredictOptions, Parameter(name="*")] = PredictOptions(),
    json: Json = False,
) -> int:
    """Predict the classes of images. Not a diagnosis.

    Example: residerm predict runs/20260101-120000-resnet50-ham10000-64px-s0 photographs --out answers.csv

    Parameters
    ----------
    output
        New file for all probabilities, .csv or .json.
    """
    from residerm.errors import UsageError
    from residerm.inference import load
    from residerm.inference.answers import Rule
    from residerm.inference.prediction import predict, require_place, write_lines

    if not images:
        raise UsageError("IMAGE is missing: give image files, folders, zips, or a pattern such as '*.jpg'")
    if output:
        require_place(output)
    predictor = load(model, runtime=options.runtime, precision=options.precision, threads=options.threads)
    rule = Rule(predictor, 8 if options.tta else 1, options.decide, options.sensitivity)
    if rule.threshold:
        remarks.print(f"note: {rule.threshold.explained}")
    tally = _Tally(keep=json or not output)
    with progress() as shown:
        lines = predict(
            predictor,
            images,
            views=rule.views,
            decide=options.decide,
            sensitivity=options.sensitivity,
            batch_size=options.batch_size,
            progress=shown,
        )
        if output:
            write_lines(tally.counted(lines), predictor, output, options.decide)
        else:
            deque(tally.counted(lines), maxlen=0)
    _show(tally, predictor, output, options.decide, json)
    return 1 if tally.failed else 0


@dataclass
class _Tally:
    """Counts the lines of a stream, and keeps the failed ones; with `keep`, all of them."""

    keep: bool
    read: int = 0
    lines: list[Line] = field(default_factory=list)
    failed: list[Line] = field(default_factory=list)

    def counted(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Yield the same lines, and count them."""
        for line in lines:
            if line.error:
                self.failed.append(line)
            else:
                self.read += 1
            if self.keep:
                self.lines.append(line)
            yield line


def _show(tally: _Tally, predictor: Predictor, output: Path | None, decide: Decision, json: bool) -> None:
    from residerm.errors import counted
    from residerm.inference.prediction import as_document

    if json:
        show_json(as_document(tally.lines, predictor, decide))
    elif not output:
        _show_table([line for line in tally.lines if not line.error], predictor.description.classes, _TITLES[decide])
    for line in tally.failed:
        remarks.print(f"{line.name}: {line.error}")
    if not json:
        out.print(
            f"{counted(tally.read, 'image')}, {len(tally.failed):,} unreadable"
            + (f"; written: {output}" if output else "")
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
    from residerm.trust.words import WITHOUT_TRUST

    description, trust = predictor.description, predictor.trust
    trained = " (drawn, not photographed)" if description.synthetic else ""
    out.print(f"model: {description.model}, trained on {description.archive}{trained}")
    out.print(f"runtime: {predictor.runtime}, {predictor.precision}")
    for text in trust.summary.explained if trust else (WITHOUT_TRUST,):
        out.print(text)
    out.print(DISCLAIMER)
