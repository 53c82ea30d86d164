"""The whole pipeline on the embedded archive, in a minute or two: draw → train → score → explain in a report → predict.

    findings = demonstrate(Path("demo"))

The difficulty of the archive is fixed (data/synthetic); the small network was chosen here on its validation part. A
linear model is trained on the same split, to show what the residual network adds. Everything is synthetic, so the
scores say nothing about real skin.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from typing_extensions import override

from residerm.config import (
    AugmentOptions,
    EvaluateOptions,
    Experiment,
    ModelOptions,
    PixelSpec,
    ResNetOptions,
    SplitOptions,
    SyntheticOptions,
    TrainOptions,
)
from residerm.data.archives import open_archive
from residerm.data.split import TEST, divide
from residerm.data.synthetic import draw_archive
from residerm.errors import StoppedError, UsageError
from residerm.evaluation.evaluate import evaluate
from residerm.inference.prediction import Line, predict
from residerm.progress import SILENT, Progress, Relay, Row
from residerm.runs import EvaluationScores, Run
from residerm.scores import Estimates
from residerm.training.session import train

NETWORK, LINEAR = "resnet18", "logistic"
_SHOWN = "mel"

# Drawn lesions have similar framing and lighting, and there are few epochs: only rotations and flips help.
_TURNS_AND_FLIPS = AugmentOptions(scale=0, shift=0, brightness=0, contrast=0, saturation=0, hue=0, erasing=0)

_TRAININGS = {
    NETWORK: TrainOptions(epochs=23, rate=1.4e-3, class_weight_power=0.75),
    LINEAR: TrainOptions(epochs=20, class_weight_power=0.75),
}


@dataclass(frozen=True)
class DemoResult:
    """The results of the demonstration."""

    archive: Path
    run: Path
    scores: EvaluationScores
    differences: Estimates  # the network's scores minus those of the linear model, on the same images
    truth: str
    prediction: Line


class _Stages(Relay):
    """Forwards the progress of a training, without its remarks and epochs."""

    @override
    def remark(self, text: str) -> None:
        pass

    @override
    def epoch(self, row: Row, epochs: int) -> None:
        pass


def demonstrate(folder: Path, progress: Progress = SILENT) -> DemoResult:
    """Run the whole pipeline in a new folder."""
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty: give `out` another folder, or remove it first")
    progress.remark("drawing 2,000 synthetic images with their masks")
    archive = draw_archive(folder / "archive", SyntheticOptions(), progress)
    runs = {}
    for model, training in _TRAININGS.items():
        progress.remark(f"training {model} for {training.epochs} epochs")
        runs[model] = train(_experiment(archive, model), folder / "runs", _Stages(progress))
        if runs[model].summary is None:
            raise StoppedError(f"stopped while training {model}: remove {folder} to start again, or give another `out`")
    progress.remark("scoring the test part with eight views and the prior divided out, and the linear model")
    evaluation = evaluate(runs[NETWORK].folder, EvaluateOptions(tta=True, prior=True, against=runs[LINEAR].folder))
    assert evaluation.comparison is not None
    progress.remark("predicting one image of the test part")
    truth, line = _one_image(archive, runs[NETWORK], folder / "lesion.jpg")
    return DemoResult(
        archive=archive,
        run=runs[NETWORK].folder,
        scores=evaluation.scores,
        differences=evaluation.comparison.differences,
        truth=truth,
        prediction=line,
    )


def _experiment(archive: Path, model: str) -> Experiment:
    return Experiment(
        path=archive,
        pixels=PixelSpec(size=64),
        augmentation=_TURNS_AND_FLIPS,
        network=ModelOptions(model=model),
        resnet=ResNetOptions(width=24) if model == NETWORK else ResNetOptions(),
        training=_TRAININGS[model],
    )


def _one_image(archive: Path, run: Run, picture: Path) -> tuple[str, Line]:
    """Save the first melanoma of the test part; return its diagnosis and the prediction for its file."""
    records = open_archive(archive)
    parts = divide(records, SplitOptions(split=str(run.folder / "splits.csv"))).parts
    row = int(np.flatnonzero((parts == TEST) & (records.labels == records.classes.index(_SHOWN)))[0])
    picture.write_bytes(records.read(row))
    (line,) = predict(run.folder, [picture])
    return _SHOWN, line
