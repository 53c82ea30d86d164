"""Every command as a Python function of the same name, with the command's options as keyword arguments.

    import residerm

    run = residerm.train("HAM10000", model="resnet18", size=32, epochs=5)
    print(residerm.evaluate(run).scores.headline["macro_auc"])

An option that does not exist, or a value that it cannot have, is a `UsageError`. Nothing is printed: pass a
`residerm.progress.Progress` to hear how it goes. The examples below are run, in this order, by a test, and make
docs/python.md (`make docs`).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from residerm.config import (
    PRESETS,
    ArchiveOptions,
    AugmentOptions,
    EvaluateOptions,
    Experiment,
    PixelSpec,
    PredictOptions,
    SplitOptions,
    SyntheticOptions,
)
from residerm.config.given import Given
from residerm.errors import UsageError, nearest
from residerm.progress import SILENT, Progress

if TYPE_CHECKING:
    from residerm.data.inspect.check import Report
    from residerm.data.inspect.stats import Statistics
    from residerm.data.split import Split
    from residerm.inference import Predictor
    from residerm.inference.prediction import Line
    from residerm.inference.sources import Source
    from residerm.runs import Evaluation, Run
    from residerm.study import CrossValidation

COMMANDS = (
    "synth", "stats", "check", "split", "preview", "train", "resume", "train_folds", "evaluate", "predict", "bench",
)  # fmt: skip


def synth(out: str | Path, *, progress: Progress = SILENT, **options: object) -> Path:
    """Draw the embedded synthetic archive into a new folder, in HAM10000's own layout, and give the folder.

    Example:
        archive = residerm.synth("archive", images=210, width=64, height=48)

    """
    from residerm.data.synthetic import draw_archive

    given = Given(options, "synth")
    synthetic = given.take(SyntheticOptions)
    given.refuse_rest()
    return draw_archive(Path(out), synthetic, progress)


def stats(path: str | Path, *, out: str | Path | None = None, **options: object) -> Statistics:
    """Count an archive: images and lesions by class, sex, age and site; with `out`, tables and a figure in a folder.

    Example:
        statistics = residerm.stats(archive)
        print(statistics.images, statistics.groups)

    """
    from residerm.data.archives import open_for
    from residerm.data.inspect.stats import describe, write_statistics

    given = Given(options, "stats")
    archive = given.take(ArchiveOptions)
    given.refuse_rest()
    statistics = describe(open_for(Path(path), archive))
    if out:
        write_statistics(statistics, Path(out))
    return statistics


def check(path: str | Path, *, layout: str | None = None, progress: Progress = SILENT, **options: object) -> Report:
    """Look for everything that is wrong with an archive, and for the same image under two ids.

    Example:
        report = residerm.check(archive)
        assert report.count("error") == 0

    """
    from residerm.data.archives import open_archive
    from residerm.data.inspect import check as inspection

    given = Given(options, "check")
    splitting = given.take(SplitOptions)
    given.refuse_rest()
    return inspection.check(open_archive(Path(path), layout=layout), splitting, progress)


def split(path: str | Path, *, out: str | Path | None = None, **options: object) -> Split:
    """Divide an archive into training, validation and test parts; with `out`, written with its proof into a folder.

    Example:
        parts = residerm.split(archive, split_seed=1)
        print(parts.rows(0), parts.remarks)

    """
    from residerm.data.archives import open_for
    from residerm.data.split import divide, write_split

    given = Given(options, "split")
    archive, splitting = given.take(ArchiveOptions), given.take(SplitOptions)
    given.refuse_rest()
    records = open_for(Path(path), archive)
    divided = divide(records, splitting)
    if out:
        write_split(divided, records, Path(out))
    return divided


def preview(
    path: str | Path, out: str | Path = "preview.png", *, images: int = 8, seed: int = 0, **options: object
) -> Path:
    """Draw what training sees, originals above and augmented images below, into a new file.

    Example:
        residerm.preview(archive, "preview.png", size=48)

    """
    from residerm.data.archives import open_for
    from residerm.data.loading.preview import draw_preview
    from residerm.figures import save

    given = Given(options, "preview")
    archive, pixels, augmentation = given.take(ArchiveOptions), given.take(PixelSpec), given.take(AugmentOptions)
    given.refuse_rest()
    records = open_for(Path(path), archive)
    save(draw_preview(records, pixels, augmentation, images=images, seed=seed), Path(out))
    return Path(out)


def train(
    data: str | Path | Experiment | None = None,
    *,
    preset: str | None = None,
    config: str | Path | None = None,
    runs: str | Path = "runs",
    progress: Progress = SILENT,
    **options: object,
) -> Run:
    """Train a model on an archive, in a new run folder. Options go before those of a file, and a file before a preset.

    Example:
        run = residerm.train(archive, model="resnet20", size=32, epochs=1, batch_size=32)
        print(run.folder, run.epochs[-1].scores)

    """
    from residerm.training import session

    if isinstance(data, Experiment):
        if options or preset or config:
            raise UsageError("train: an Experiment holds every option; give none beside it")
        return session.train(data, Path(runs), progress)
    return session.train(make_experiment(data, options, preset=preset, config=config), Path(runs), progress)


def make_experiment(
    data: str | Path | None,
    options: dict[str, Any],
    *,
    preset: str | None = None,
    config: str | Path | None = None,
) -> Experiment:
    """The experiment of options, a file and a preset."""
    known: dict[str, Any] = {}
    if preset:
        if preset not in PRESETS:
            raise UsageError(
                f"`preset={preset}`: there is none; known are {', '.join(PRESETS)}.{nearest(preset, PRESETS)}"
            )
        known |= PRESETS[preset]
    if config:
        from residerm.runs import read_options

        known |= read_options(Path(config))
    known |= options
    if data is not None:
        known["path"] = data
    if known.get("path") is None:
        raise UsageError("PATH is missing: which archive is to be trained on?")
    return Experiment.from_flat(known, f"`config={config}`" if config else "train")


def resume(
    run: str | Path | Run,
    *,
    epochs: int | None = None,
    max_minutes: float | None = None,
    progress: Progress = SILENT,
) -> Run:
    """Go on with a run from its last checkpoint; with new limits, train a finished one further.

    Example:
        run = residerm.resume(run, epochs=2)

    """
    from residerm.training import session

    return session.resume(_folder(run), epochs=epochs, max_minutes=max_minutes, progress=progress)


def train_folds(
    data: str | Path | None = None,
    *,
    folds: int | None = None,
    preset: str | None = None,
    config: str | Path | None = None,
    runs: str | Path = "runs",
    progress: Progress = SILENT,
    **options: object,
) -> CrossValidation:
    """Train on every fold, score each test part, and pool what was predicted out of fold: `train --fold all`.

    Called again with the same options, it keeps the runs that are finished and goes on with the others.

    Example:
        study = residerm.train_folds(archive, folds=2, model="resnet20", size=32, epochs=1, batch_size=32)
        print(study.scores.over_folds["macro_auc"].mean, study.scores.pooled.headline["macro_auc"].interval)

    """
    from residerm import study

    given = options | ({"folds": folds} if folds is not None else {})
    return study.train_folds(make_experiment(data, given, preset=preset, config=config), Path(runs), progress)


def evaluate(run: str | Path | Run, *, progress: Progress = SILENT, **options: object) -> Evaluation:
    """Score a run on what it has not seen, with intervals, and write its report and its model card.

    Example:
        evaluation = residerm.evaluate(run, tta=True)
        print(evaluation.scores.headline["macro_auc"])

    """
    from residerm.evaluation import evaluate

    given = Given(options, "evaluate")
    asked = given.take(EvaluateOptions)
    given.refuse_rest()
    return evaluate(_folder(run), asked, progress)


def predict(
    model: str | Path | Run | Predictor, images: object, *, progress: Progress = SILENT, **options: object
) -> list[Line]:
    """What a model says of images: paths of files, folders and zips, bytes, PIL images or arrays; one, or several.

    Not a medical device and not a diagnosis. What cannot be read is a line with the reason in `error`.

    Example:
        for line in residerm.predict(run, [archive, open("preview.png", "rb").read()])[:3]:
            print(line.name, line.predicted, line.probabilities, line.error)

    """
    from residerm.inference import Predictor, load
    from residerm.inference.prediction import predict

    given = Given(options, "predict")
    asked = given.take(PredictOptions)
    given.refuse_rest()
    predictor = (
        model
        if isinstance(model, Predictor)
        else load(_folder(model), runtime=asked.runtime, precision=asked.precision, threads=asked.threads)
    )
    return list(
        predict(
            predictor,
            [_source(image, number) for number, image in enumerate(_several(images), start=1)],
            views=8 if asked.tta else 1,
            decide=asked.decide,
            sensitivity=asked.sensitivity,
            batch_size=asked.batch_size,
            progress=progress,
        )
    )


def bench(
    path: str | Path, *, rounds: int = 5, steps: int = 20, progress: Progress = SILENT, **options: object
) -> dict[str, Any]:
    """Measure training against the machine's own limit, and against the loop that everyone writes first.

    Takes also `minutes`, `plain=False` and `probe=False`.

    Example:
        speeds = residerm.bench(archive, model="cnn", rounds=1, steps=2, plain=False, probe=False)

    """
    from residerm.training.bench import bench

    own: dict[str, Any] = {name: options.pop(name) for name in ("minutes", "plain", "probe") if name in options}
    return bench(make_experiment(path, options), rounds=rounds, steps=steps, progress=progress, **own)


def _folder(run: str | Path | Run) -> Path:
    return Path(run) if isinstance(run, str | Path) else run.folder


def _several(images: object) -> Iterable[object]:
    import numpy as np

    if isinstance(images, np.ndarray) and images.ndim == 4:
        return list(images)
    return images if isinstance(images, Sequence) and not isinstance(images, str | bytes) else [images]


def _source(image: object, number: int) -> str | Path | Source:
    """An image as `inference` takes it; pixels are encoded without loss, so that one decoder reads everything."""
    import numpy as np
    from PIL import Image

    from residerm.inference.sources import Source

    if isinstance(image, str | Path):
        return image
    if isinstance(image, bytes):
        return Source(f"image {number}", partial(bytes, image))
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim not in (2, 3):
            raise UsageError(f"image {number}: an array of images is uint8, (height, width, 3) or (height, width)")
        image = Image.fromarray(image)
    if isinstance(image, Image.Image):
        return Source(f"image {number}", partial(_encoded, image))
    raise UsageError(f"image {number}: give a path, bytes, a PIL image or an array, not {type(image).__name__}")


def _encoded(image: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
