"""The commands that use a trained model, as functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from residerm.commands.arguments import folder_of, predictor_or_folder, sources_of
from residerm.config import (
    CalibrateOptions,
    EvaluateOptions,
    ExplainOptions,
    ExportOptions,
    PredictOptions,
    ServeOptions,
)
from residerm.config.given import Given
from residerm.progress import SILENT, Progress

if TYPE_CHECKING:
    from residerm.evaluation.calibrate import Calibrated
    from residerm.evaluation.export import Exported
    from residerm.explanation.document import ExplanationDocument
    from residerm.explanation.explain import Explanation
    from residerm.inference import Predictor
    from residerm.inference.prediction import Line
    from residerm.runs import Evaluation, Run
    from residerm.service import Listening


def evaluate(run: str | Path | Run, *, progress: Progress = SILENT, **options: object) -> Evaluation:
    """Evaluate a run on images that it was not trained on, with intervals, and write its report and model card.

    Example:
        evaluation = residerm.evaluate(run, tta=True)
        print(evaluation.scores.headline["macro_auc"])

    """
    from residerm.evaluation.evaluate import evaluate

    given = Given(options, "evaluate")
    asked = given.take(EvaluateOptions)
    given.refuse_rest()
    return evaluate(folder_of(run), asked, progress)


def predict(
    model: str | Path | Run | Predictor,
    images: object,
    *,
    out: str | Path | None = None,
    progress: Progress = SILENT,
    **options: object,
) -> list[Line]:
    """Predict the classes of one or several images: paths of files, folders and zips, bytes, PIL images or arrays.

    With `out`, the predictions are written to a new CSV or JSON file. For an image that cannot be read, the line holds
    the reason in `error`. Not a medical device and not a diagnosis.

    Example:
        for line in residerm.predict(run, [archive, open("preview.png", "rb").read()])[:3]:
            print(line.name, line.predicted, line.probabilities, line.error)

    """
    from residerm.inference import Predictor, load
    from residerm.inference.prediction import predict, require_place, write_lines

    given = Given(options, "predict")
    asked = given.take(PredictOptions)
    given.refuse_rest()
    if out:
        require_place(Path(out))
    predictor = (
        model
        if isinstance(model, Predictor)
        else load(folder_of(model), runtime=asked.runtime, precision=asked.precision, threads=asked.threads)
    )
    lines = predict(
        predictor,
        sources_of(images),
        views=8 if asked.tta else 1,
        decide=asked.decide,
        sensitivity=asked.sensitivity,
        batch_size=asked.batch_size,
        progress=progress,
    )
    predictions = list(lines)
    if out:
        write_lines(predictions, predictor, Path(out), asked.decide)
    return predictions


@overload
def explain(
    model: str | Path | Run | Predictor,
    images: str | Path | Sequence[str | Path],
    class_: str | None = None,
    *,
    out: None = None,
    batch_size: int = 16,
    progress: Progress = SILENT,
    **options: object,
) -> Iterator[Explanation]: ...


@overload
def explain(
    model: str | Path | Run,
    images: str | Path | Sequence[str | Path],
    class_: str | None = None,
    *,
    out: str | Path,
    batch_size: int = 16,
    progress: Progress = SILENT,
    **options: object,
) -> ExplanationDocument: ...


def explain(
    model: str | Path | Run | Predictor,
    images: str | Path | Sequence[str | Path],
    class_: str | None = None,
    *,
    out: str | Path | None = None,
    batch_size: int = 16,
    progress: Progress = SILENT,
    **options: object,
) -> Iterator[Explanation] | ExplanationDocument:
    """Show which pixels are evidence for a class, and which against it; by default for the predicted class.

    Explanations are computed lazily. With `out`, pictures and numbers are written to a new folder instead, and the
    document that describes them is returned. Not a medical device and not a diagnosis.

    Example:
        for explanation in residerm.explain(run, "preview.png", "mel", method="cam"):
            print(explanation.name, explanation.map.shape)

    """
    from residerm.explanation.document import write_explanations
    from residerm.explanation.explain import explain
    from residerm.files import require_new_folder
    from residerm.inference import Predictor, read_description

    given = Given(options, "explain")
    asked = given.take(ExplainOptions)
    given.refuse_rest()
    subject, paths = predictor_or_folder(model), [images] if isinstance(images, str | Path) else images
    if out:
        require_new_folder(Path(out))
    explanations = explain(
        subject, paths, class_, asked.method,
        stage=asked.stage, compare=asked.compare, neighbours=asked.neighbours, batch_size=batch_size,
        progress=progress,
    )  # fmt: skip
    if not out:
        return explanations
    description = subject.description if isinstance(subject, Predictor) else read_description(subject)
    return write_explanations(explanations, description, Path(out))


def calibrate(
    model: str | Path | Run,
    data: str | Path,
    *,
    out: str | Path | None = None,
    progress: Progress = SILENT,
    **options: object,
) -> Calibrated:
    """Fit calibration, prediction sets and thresholds to labelled images from another site, and write a new bundle.

    Example:
        site = residerm.synth("site", images=210, width=64, height=48, seed=1)
        calibrated = residerm.calibrate(run, site, out="calibrated")

    """
    from residerm.evaluation.calibrate import calibrate

    given = Given({"data": data, **options}, "calibrate")
    asked = given.take(CalibrateOptions)
    given.refuse_rest()
    return calibrate(folder_of(model), asked, Path(out) if out else None, progress)


def export(
    models: str | Path | Run | Sequence[str | Path | Run],
    out: str | Path | None = None,
    *,
    progress: Progress = SILENT,
    **options: object,
) -> Exported:
    """Export a model for ONNX Runtime or OpenVINO, or several models as an ensemble, and compare it with the original.

    Without `out`, a run is exported to a folder inside its own.

    Example:
        exported = residerm.export(run, to="onnx")
        print(residerm.predict(exported.folder, "preview.png")[0].predicted)

    """
    from residerm.evaluation.export import export
    from residerm.runs import Run

    given = Given(options, "export")
    asked = given.take(ExportOptions)
    given.refuse_rest()
    paths = [folder_of(model) for model in ([models] if isinstance(models, str | Path | Run) else models)]
    return export(paths, Path(out) if out else None, asked, progress)


def serve(
    model: str | Path | Run = "starter", *, announce: Callable[[Listening], None] | None = None, **options: object
) -> None:
    """Serve a model over HTTP, with a page at / and an API under /v1, until Ctrl-C or SIGTERM. Not a diagnosis.

    `announce` is called with the address as soon as the service accepts requests.

    Example:
        residerm.serve("starter", port=8000)

    """
    from residerm.service import serve

    given = Given(options, "serve")
    asked = given.take(ServeOptions)
    given.refuse_rest()
    serve(folder_of(model) if not isinstance(model, str) else model, asked, announce=announce or (lambda _: None))
