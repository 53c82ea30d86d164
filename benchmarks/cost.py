"""What an explanation, or trust, adds to a prediction of the same images: medians of alternating rounds.

    python benchmarks/cost.py IMAGES [--model starter] [--rounds 30]     class activation maps, one image at a time
    python benchmarks/cost.py IMAGES --trust [--rounds 30]               calibration, sets, abstention, outlier mark
    python benchmarks/cost.py IMAGES --gradient [--rounds 3]             100 images, Grad-CAM at 224 px

IMAGES is a folder or a zip of image files; decoding is part of each. The model is ready before the clock starts. For
`--gradient` it is a ResNet-50 with random weights, on which the time does not depend.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from residerm.config import PixelSpec, ResNetOptions
from residerm.explanation.explain import explain
from residerm.inference import ModelDescription, load
from residerm.inference.prediction import predict
from residerm.inference.sources import Source, find_sources

CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--model", default="starter", help="An exported bundle.")
    parser.add_argument("--gradient", action="store_true")
    parser.add_argument("--trust", action="store_true")
    parser.add_argument("--rounds", type=int)
    options = parser.parse_args()
    images = [_in_memory(one) for one in find_sources([options.images]).images[:100]]
    if options.gradient:
        gradient(images, options.rounds or 3)
    else:
        one_by_one(options.model, images, options.rounds or 30, options.trust)


def one_by_one(model: str, images: Sequence[Source], rounds: int, trust: bool) -> None:
    """Class activation maps of an exported model, or what its trust costs, one image at a time."""
    predictor, plain = load(model), load(model)
    title = f"{predictor.description.model} in {predictor.runtime}, one image"
    asked = [images[number % len(images)] for number in range(rounds)]
    if trust:
        plain.trust = None
        what, more = "prediction with trust", [lambda one=one: list(predict(predictor, [one])) for one in asked]
    else:
        what, more = "explanation", [lambda one=one: list(explain(predictor, [one])) for one in asked]
    compare(title, [lambda one=one: list(predict(plain, [one])) for one in asked], more, what)


def gradient(images: Sequence[Source], rounds: int) -> None:
    """Grad-CAM of a network at 224 px."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = _untrained(Path(folder) / "bundle")
        predictor = load(bundle)
        for stage in (None, "layer3"):
            compare(
                f"resnet50 in torch at 224 px, {len(images)} images, Grad-CAM at {stage or 'the last maps'}",
                [lambda: list(predict(predictor, images))] * rounds,
                [lambda stage=stage: list(explain(bundle, images, method="gradcam", stage=stage))] * rounds,
                "explanation",
            )


def compare(
    title: str, predictions: Sequence[Callable[[], object]], others: Sequence[Callable[[], object]], what: str
) -> None:
    """Print the medians and the median of the ratios, after a first round that does not count."""
    predictions[0](), others[0]()
    times = [(_seconds(one), _seconds(other)) for one, other in zip(predictions, others, strict=True)]
    ratios = sorted(other / one for one, other in times)
    low, high = ratios[len(ratios) // 4], ratios[3 * len(ratios) // 4]
    first, second = (median(column) for column in zip(*times, strict=True))
    print(
        f"{title}: prediction {1000 * first:,.1f} ms, {what} {1000 * second:,.1f} ms; "
        f"ratio {median(ratios):.2f} (middle half of {len(ratios)} rounds: {low:.2f} to {high:.2f})"
    )


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _in_memory(source: Source) -> Source:
    data = source.read()
    return Source(source.name, lambda: data)


def _untrained(folder: Path) -> Path:
    from residerm.inference import write_bundle
    from residerm.models import build

    model = build("resnet50", len(CLASSES), 224)
    said = ModelDescription(
        model="resnet50", resnet=ResNetOptions(), classes=CLASSES, task="diagnosis", pixels=PixelSpec(size=224),
        mean=(0.7, 0.5, 0.5), deviation=(0.2, 0.2, 0.2), prior=(1 / 7,) * 7, archive="none", synthetic=True,
        data_licence="none", data_citation="none", trained_on=0, selected_by="nothing", validation={}, residerm="0",
    )  # fmt: skip
    return write_bundle(model, said, folder)


if __name__ == "__main__":
    main()
