"""Calibration, prediction sets, abstention and outlier detection of real runs, as Markdown tables.

    python benchmarks/trust.py RUN… --data ../shared/data --out outputs

Each RUN is a finished run on HAM10000. Everything is fitted on the validation part of its own split, and measured
once on its test part. Outputs are stored in OUT and reused. Outliers are images of ISIC 2016, of classes that a run
was trained without, of synthetic lesions, and without skin (textures, scenes, digits, noise), as well as test images
that are blurred, inverted or darkened.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageFilter

from residerm.config import SplitOptions, SyntheticOptions
from residerm.data.archives import open_archive
from residerm.data.dataset import Dataset
from residerm.data.loading.cache import open_cache
from residerm.data.synthetic import draw_archive
from residerm.inference import Predictor, load
from residerm.outputs import Outputs, concatenated
from residerm.runs import open_run
from residerm.scores.bootstrap import Bootstrap
from residerm.scores.calibration import calibration_scores
from residerm.scores.coverage import Sets, set_scores
from residerm.scores.detection import Elsewhere, outlier_scores
from residerm.scores.results import Estimate
from residerm.scores.selective import Selective, selective_scores
from residerm.training.neighbours import evenly
from residerm.trust import Trust
from residerm.trust.outliers import fit_score, log_sum_exp

OF_EACH = 200
SCORES = ("mahalanobis", "nearest", "energy")
BOOTSTRAP = Bootstrap(1000, "lesion", 0)


@dataclass(frozen=True)
class Labelled:
    """Outputs with their labels and lesions."""

    outputs: Outputs
    labels: np.ndarray
    groups: np.ndarray


class Subject:
    """A run, and the outputs of its model."""

    def __init__(self, run: Path, data: Path, out: Path) -> None:
        """Open the archive of the run with its split."""
        experiment = open_run(run).experiment
        as_it_was = SplitOptions(split=str(run / "splits.csv"))
        self.run, self.data, self.out = run, data, out / run.name
        self.dataset = Dataset.open(experiment.model_copy(update={"split": as_it_was}))
        self.without = experiment.archive.without
        self.predictor: Predictor = load(run)
        self.out.mkdir(parents=True, exist_ok=True)

    def part(self, name: str, rows: np.ndarray) -> Labelled:
        """The outputs of some rows of the archive."""
        records, cache = self.dataset.records, self.dataset.cache
        outputs = self.kept(name, lambda: (cache.pixels[rows[i : i + 64]] for i in range(0, len(rows), 64)))
        return Labelled(outputs, records.labels[rows], records.groups[rows])

    def kept(self, name: str, batches: Callable[[], Iterator[np.ndarray]]) -> Outputs:
        """Outputs that are computed once and stored."""
        path = self.out / f"{name}.npz"
        if not path.exists():
            outputs = concatenated([self.predictor.outputs(pixels) for pixels in batches()])
            np.savez(path, logits=outputs.logits, features=outputs.features)
        with np.load(path) as opened:
            return Outputs(opened["logits"], opened["features"])

    def archive(self, name: str, path: Path, classes: tuple[str, ...] = (), drawn: bool = False) -> Outputs:
        """The outputs of an archive, or of some of its classes."""

        def batches() -> Iterator[np.ndarray]:
            with tempfile.TemporaryDirectory() as folder:
                place = draw_archive(Path(folder) / "drawn", SyntheticOptions(images=OF_EACH)) if drawn else path
                records = open_archive(Path(folder) / "drawn" if drawn else place)
                cache = open_cache(records, self.predictor.description.pixels, on_bad_image="skip")
                names = np.array(records.classes)[records.labels]
                rows = np.flatnonzero(np.isin(names, classes) if classes else np.ones(len(names), dtype=bool))
                yield from (np.array(cache.pixels[rows[i : i + 64]]) for i in range(0, len(rows), 64))

        return self.kept(name, batches)


def far(size: int) -> dict[str, np.ndarray]:
    """Images without skin."""
    from sklearn.datasets import load_digits, load_sample_images

    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (OF_EACH, size, size, 3), dtype=np.uint8)
    blocks = [_resized(generator.integers(0, 256, (5, 5, 3), dtype=np.uint8), size) for _ in range(OF_EACH)]
    flat = np.broadcast_to(generator.integers(0, 256, (OF_EACH, 1, 1, 3)), noise.shape).astype(np.uint8)
    scenes = [_crop(image, generator, size) for image in load_sample_images().images for _ in range(OF_EACH // 2)]
    digits = [_resized(np.repeat(one[..., None], 3, 2) * 15.9, size) for one in load_digits().images[:OF_EACH]]
    return {
        "noise": noise,
        "coloured blobs": np.stack(blocks),
        "stripes": np.stack([_stripes(generator, size) for _ in range(OF_EACH)]),
        "plain colour": flat,
        "scenes": np.stack(scenes),
        "digits": np.stack(digits),
    }


def corrupted(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Corrupted images of the test part."""
    radius = pixels.shape[1] / 12
    blurred = [np.array(Image.fromarray(one).filter(ImageFilter.GaussianBlur(radius))) for one in pixels]
    noise = np.random.default_rng(0).normal(0, 40, pixels.shape)
    return {
        "blurred": np.stack(blurred),
        "noisy": np.clip(pixels + noise, 0, 255).astype(np.uint8),
        "darkened": (pixels * 0.25).astype(np.uint8),
        "inverted": 255 - pixels,
        "red and blue swapped": pixels[..., ::-1],
    }


def _resized(image: np.ndarray, size: int) -> np.ndarray:
    return np.array(Image.fromarray(image.astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC))


def _crop(image: np.ndarray, generator: np.random.Generator, size: int) -> np.ndarray:
    side = int(generator.integers(60, 400))
    top, left = (int(generator.integers(0, length - side)) for length in image.shape[:2])
    return _resized(image[top : top + side, left : left + side], size)


def _stripes(generator: np.random.Generator, size: int) -> np.ndarray:
    down, across = np.mgrid[:size, :size]
    angle, rate = generator.uniform(0, np.pi), generator.uniform(0.1, 1.2)
    share = (np.sin((across * np.cos(angle) + down * np.sin(angle)) * rate) + 1)[..., None] / 2
    first, second = generator.integers(0, 256, (2, 3))
    return (share * first + (1 - share) * second).astype(np.uint8)


def outliers(subject: Subject, test: np.ndarray) -> dict[str, Outputs]:
    """The outputs of a run for outliers, the near ones first."""
    size, cache = subject.predictor.description.pixels.size, subject.dataset.cache
    experiment = open_run(subject.run).experiment
    found = {}
    if subject.without:
        found[f"classes left out ({', '.join(subject.without)})"] = subject.archive(
            "left out", experiment.path, subject.without
        )
    found["ISIC 2016"] = subject.archive("isic2016", subject.data / "isic2016")
    found["synthetic lesions"] = subject.archive("drawn", subject.data, drawn=True)
    photographs = np.array(cache.pixels[test[:OF_EACH]])
    for name, pixels in (corrupted(photographs) | far(size)).items():
        found[name] = subject.kept(name, lambda pixels=pixels: iter([np.ascontiguousarray(pixels)]))
    return found


def text(estimate: Estimate, digits: int = 3) -> str:
    """A value with its interval."""
    bounds = f" ({estimate.low:.{digits}f}–{estimate.high:.{digits}f})" if estimate.interval else ""
    return f"{estimate.value:.{digits}f}{bounds}"


def report(subject: Subject) -> None:
    """Print all tables of one run."""
    dataset, classes = subject.dataset, subject.predictor.description.classes
    some = evenly(dataset.training_rows, dataset.records.labels, len(classes))
    validation, test = subject.part("validation", dataset.validation_rows), subject.part("test", dataset.test_rows)
    training = subject.part("training", some)
    began = time.perf_counter()
    trust = Trust.fit(
        validation.outputs.logits, validation.labels, validation.groups, validation.outputs.features,
        training.outputs.features, training.labels, classes=classes,
    )  # fmt: skip
    print(f"\n## {subject.run.name}\n\nfitted in {time.perf_counter() - began:.2f} s; "
          f"{len(validation.labels)} validation, {len(training.labels)} training images")  # fmt: skip
    judged = trust.judge(test.outputs)
    calibrated(trust, test, classes)
    sets = Sets(judged.sets, 0.9, np.isin(classes, trust.summary.sets.by_class),
                list(trust.summary.lesions_by_class.values()))  # fmt: skip
    covered = set_scores(sets, test.labels, test.groups, classes, BOOTSTRAP)
    print(
        f"\ncoverage {text(covered.coverage)}, size {text(covered.size, 2)}\n\n| class | coverage | expected | size |"
    )
    print("|---|---|---|---|")
    for name, one in covered.by_class.items():
        expected = "–" if one.expected is None else "{:.2f}–{:.2f}".format(*one.expected)
        print(f"| {name} ({one.fitted_on}) | {text(one.coverage)} | {expected} | {text(one.size, 2)} |")
    selected(test, judged.probabilities, ~judged.abstain)
    told_apart(subject, training, test)


def calibrated(trust: Trust, test: Labelled, classes: tuple[str, ...]) -> None:
    """Print the scores before and after calibration."""
    before, after = test.outputs.probabilities, trust.judge(test.outputs).probabilities
    found = calibration_scores(
        test.labels, before, after, classes, test.groups, kind=trust.summary.calibration.kind, bootstrap=BOOTSTRAP
    )
    print(f"\n{found.kind}; expected of perfect probabilities: {found.by_chance:.4f}; "
          f"corrected: {found.corrected_before:.4f} before, {found.corrected_after:.4f} after")  # fmt: skip
    print("\n| score | before | after | change |\n|---|---|---|---|")
    for name in found.before:
        print(
            f"| {name} | {text(found.before[name], 4)} | {text(found.after[name], 4)} | {text(found.change[name], 4)} |"
        )


def selected(
    test: Labelled, shares: np.ndarray, answered: np.ndarray, others: Mapping[str, np.ndarray] = MappingProxyType({})
) -> None:
    """Print AURC and AUGRC of all confidence scores, and their differences from the default."""
    raw, predicted = test.outputs.probabilities, shares.argmax(axis=1)
    ways = {
        "calibrated confidence": shares.max(axis=1),
        "maximum softmax": raw.max(axis=1),
        "entropy": (raw * np.log(np.maximum(raw, 1e-30))).sum(axis=1),
        "energy": log_sum_exp(test.outputs.logits.astype(float)),
        **others,
    }
    given = {name: Selective(value, test.labels, predicted) for name, value in ways.items()}
    first, groups = next(iter(given)), np.unique(test.groups, return_inverse=True)[1]

    def values(weights: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
        found = {(name, area): getattr(one, area)(weights) for name, one in given.items() for area in ("aurc", "augrc")}
        return found | {(name, f"{area} less"): found[name, area] - found[first, area] for name, area in list(found)}

    found = BOOTSTRAP.estimates(values, groups)
    print("\n| confidence | AURC | AUGRC | AURC - default | AUGRC - default |\n|---|---|---|---|---|")
    for name in given:
        print(
            "|",
            name,
            *("| " + text(found[name, area], 4) for area in ("aurc", "augrc", "aurc less", "augrc less")),
            "|",
        )
    said = selective_scores(given[first], answered, groups, 0.1, BOOTSTRAP)
    print(f"\nbalanced accuracy {text(said.balanced_accuracy)}, at 80 % coverage {text(said.balanced_accuracy_at_80)}; "
          f"lesions answered {text(said.answered)}, errors among these {text(said.wrong)}")  # fmt: skip


def told_apart(subject: Subject, training: Labelled, test: Labelled) -> None:
    """Print AUROC and FPR at 95 % of every score on every kind of outlier."""
    scores = {name: fit_score(name, training.outputs.features, training.labels) for name in SCORES}
    print("\n| outliers | images |", " | ".join(f"{name}: AUROC, FPR at 95 %" for name in SCORES), "|")
    print("|---|--:|" + "---|" * len(SCORES))
    for kind, outputs in outliers(subject, subject.dataset.test_rows).items():
        cells = []
        for score in scores.values():
            elsewhere = Elsewhere(kind, score.score(outputs))
            found = outlier_scores(score.score(test.outputs), test.groups, elsewhere, np.inf, BOOTSTRAP)
            cells.append(f"{text(found.auroc)}, {text(found.false_positive_rate)}")
        print(f"| {kind} | {len(outputs)} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("outputs"))
    given = parser.parse_args()
    for run in given.runs:
        report(Subject(run, given.data, given.out))


if __name__ == "__main__":
    main()
