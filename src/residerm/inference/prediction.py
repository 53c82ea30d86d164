"""Predict image files: files, folders, zips and patterns → one line per image, with all probabilities.

    for line in predict("runs/20260101-120000-resnet50-ham10000-64px-s0", ["lesion.jpg", "folder", "more.zip"]):
        print(line.name, line.predicted, line.error)

For an unreadable image, the line holds the reason. Not a medical device and not a diagnosis.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TextIO, TypedDict

import numpy as np
from pydantic import JsonValue

from residerm import imaging
from residerm.config import Decision
from residerm.disclaimer import DISCLAIMER
from residerm.errors import ImageError, UsageError
from residerm.files import new_file, require_writable
from residerm.inference import Predictor, load
from residerm.inference.answers import SENSITIVITY, Answers, Rule
from residerm.inference.sources import Source, find_sources
from residerm.outputs import Views
from residerm.parallel import blas_in_one_thread
from residerm.progress import SILENT, Progress
from residerm.spreadsheet import Writer

_FORMATS = (".csv", ".json")
_JUDGED = ("prediction_set", "abstained", "outlier", "outlier_score", "remarks")


@dataclass(frozen=True)
class Judgement:
    """The judgement of trust about a prediction: the classes that cannot be ruled out, and remarks."""

    prediction_set: tuple[str, ...]
    abstained: bool
    outlier: bool
    outlier_score: float
    remarks: tuple[str, ...]


class LineDict(TypedDict):
    """A prediction, or an error, as plain data."""

    image: str
    error: NotRequired[str]
    predicted: NotRequired[str]
    probabilities: NotRequired[dict[str, float]]
    prediction_set: NotRequired[tuple[str, ...]]
    abstained: NotRequired[bool]
    outlier: NotRequired[bool]
    outlier_score: NotRequired[float]
    remarks: NotRequired[tuple[str, ...]]


class PredictionsDict(TypedDict):
    """Predictions with the model that made them, as plain data."""

    notice: str
    model: str
    trained_on: str
    synthetic: bool
    precision: str
    decide: Decision
    trust: dict[str, JsonValue] | None
    classes: list[str]
    predictions: list[LineDict]


@dataclass(frozen=True)
class Line:
    """The prediction for one image, or an error."""

    name: str
    predicted: str = ""
    probabilities: tuple[float, ...] = ()  # calibrated if the model was
    judgement: Judgement | None = None  # None: the model has no trust
    error: str = ""

    def to_dict(self, classes: Sequence[str]) -> LineDict:
        """The line as plain data, for JSON."""
        if self.error:
            return {"image": self.name, "error": self.error}
        probabilities = {name: round(share, 6) for name, share in zip(classes, self.probabilities, strict=True)}
        prediction: LineDict = {"image": self.name, "predicted": self.predicted, "probabilities": probabilities}
        if (judged := self.judgement) is None:
            return prediction
        return {
            **prediction,
            "prediction_set": judged.prediction_set,
            "abstained": judged.abstained,
            "outlier": judged.outlier,
            "outlier_score": judged.outlier_score,
            "remarks": judged.remarks,
        }


def predict(
    model: str | Path | Predictor,
    images: Sequence[str | Path | Source],
    *,
    views: Views = 1,
    decide: Decision = "probable",
    sensitivity: float = SENSITIVITY,
    batch_size: int = 64,
    progress: Progress = SILENT,
) -> Iterator[Line]:
    """Predict image files, in the given order."""
    predictor = model if isinstance(model, Predictor) else load(model)
    rule = Rule(predictor, views, decide, sensitivity)
    rule.require()
    found = find_sources(images)
    if found.remark:
        progress.remark(found.remark)
    done = 0
    for lines in _in_batches(rule, found.images, batch_size):
        yield from lines
        done += len(lines)
        progress.advance("predicting", done, len(found.images))


def write_lines(lines: Iterable[Line], predictor: Predictor, path: Path, decide: Decision = "probable") -> Path:
    """Write lines as they are computed, as CSV or JSON depending on the suffix, never over an existing file."""
    require_place(path)
    with new_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        if path.suffix.lower() == ".json":
            _write_json(lines, predictor, stream, decide)
        else:
            _write_csv(lines, predictor.description.classes, stream)
    return path


def require_place(path: Path) -> None:
    """Raise an error if a file already exists, or has a suffix or a place that cannot be written."""
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(f"`out={path}`: predictions are written as {' or '.join(_FORMATS)}; use one of these suffixes")
    if path.exists():
        raise UsageError(f"`out={path}` already exists and is not overwritten: choose another name, or remove it first")
    require_writable(path)


def as_document(lines: Iterable[Line], predictor: Predictor, decide: Decision = "probable") -> PredictionsDict:
    """The document of predictions; these are the last entry, which `_write_json` relies on."""
    description = predictor.description
    return {
        "notice": DISCLAIMER,
        "model": description.model,
        "trained_on": description.archive,
        "synthetic": description.synthetic,
        "precision": predictor.precision,
        "decide": decide,
        "trust": description.trust.model_dump(mode="json") if description.trust else None,
        "classes": list(description.classes),
        "predictions": [line.to_dict(description.classes) for line in lines],
    }


def _write_json(lines: Iterable[Line], predictor: Predictor, stream: TextIO, decide: Decision) -> None:
    """The document of `as_document`, line by line."""
    stream.write(_json(as_document([], predictor, decide)).removesuffix("[]\n}") + "[")
    between = "\n"
    for line in lines:
        text = _json(line.to_dict(predictor.description.classes))
        stream.write(between + "\n".join(f"    {row}" for row in text.split("\n")))
        between = ",\n"
    stream.write("\n  ]\n}\n" if between != "\n" else "]\n}\n")


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _write_csv(lines: Iterable[Line], classes: Sequence[str], stream: TextIO) -> None:
    writer = Writer(stream)
    writer.row(["image", "predicted", *(f"p_{name}" for name in classes), *_JUDGED, "error", "notice"])
    for line in lines:
        probabilities = [f"{share:.6f}" for share in line.probabilities] or [""] * len(classes)
        writer.row([line.name, line.predicted, *probabilities, *_cells(line.judgement), line.error, DISCLAIMER])


def _cells(judgement: Judgement | None) -> list[str]:
    """The cells of a judgement in a table."""
    if judgement is None:
        return [""] * len(_JUDGED)
    yes_or_no = ["yes" if one else "no" for one in (judgement.abstained, judgement.outlier)]
    score = f"{judgement.outlier_score:g}"
    return [" ".join(judgement.prediction_set), *yes_or_no, score, "; ".join(judgement.remarks)]


def _in_batches(rule: Rule, sources: Sequence[Source], batch_size: int) -> Iterator[list[Line]]:
    """Predict batches in the predictor's threads, each of which decodes and runs its own, and yield them in order."""
    threads = rule.predictor.threads
    size = max(1, min(batch_size, -(-len(sources) // threads)))
    batches = [sources[start : start + size] for start in range(0, len(sources), size)]
    if len(batches) == 1:
        yield _predict(rule, sources, alone=True)
        return
    pool, running = ThreadPoolExecutor(threads, thread_name_prefix="predict"), deque[Future[list[Line]]]()
    with blas_in_one_thread():
        try:
            for some in batches:
                running.append(pool.submit(_predict, rule, some, alone=False))
                if len(running) > 2 * threads:  # enough that no thread waits for the caller
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _predict(rule: Rule, sources: Sequence[Source], alone: bool) -> list[Line]:
    return _lines(rule, sources, [_pixels(source, rule.predictor) for source in sources], alone)


def _pixels(source: Source, predictor: Predictor) -> np.ndarray | str:
    """The pixels of an image, or an error."""
    try:
        return imaging.read(source.read(), predictor.description.pixels)
    except ImageError as error:
        return str(error)


def _lines(rule: Rule, sources: Sequence[Source], pixels: Sequence[np.ndarray | str], alone: bool) -> list[Line]:
    """The lines of decoded images; `alone` as in `Predictor.outputs`."""
    classes = rule.predictor.description.classes
    readable = [found for found in pixels if isinstance(found, np.ndarray)]
    if not readable:
        return [Line(source.name, error=str(found)) for source, found in zip(sources, pixels, strict=True)]
    answers = rule.answer(rule.predictor.outputs(np.stack(readable), rule.views, alone=alone))
    rows = iter(range(len(readable)))
    return [
        Line(source.name, error=found) if isinstance(found, str) else _line(source.name, answers, next(rows), classes)
        for source, found in zip(sources, pixels, strict=True)
    ]


def _line(name: str, answers: Answers, row: int, classes: Sequence[str]) -> Line:
    predicted, probabilities = classes[answers.predicted[row]], tuple(answers.probabilities[row].tolist())
    return Line(name, predicted, probabilities, _judgement(answers, row, classes))


def _judgement(answers: Answers, row: int, classes: Sequence[str]) -> Judgement | None:
    judged = answers.judgements
    if judged is None:
        return None
    return Judgement(
        prediction_set=tuple(name for name, inside in zip(classes, judged.sets[row], strict=True) if inside),
        abstained=bool(judged.abstain[row]),
        outlier=bool(judged.outlier[row]),
        outlier_score=round(float(judged.outlier_score[row]), 6),
        remarks=answers.remarks[row],
    )
