"""Time to compute all scores with their intervals, on random predictions.

    python benchmarks/bootstrap.py [--images 1500] [--classes 7] [--resamples 2000] [--repeats 5]

Lesions have one to three images, classes are as imbalanced as in HAM10000, and about two thirds of the images are
classified correctly.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from residerm.scores import assess, by_attribute, compare


def predictions(images: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities and lesions."""
    random = np.random.default_rng(seed)
    lesions = np.repeat(np.arange(images), random.integers(1, 4, images))[:images]
    label = np.minimum(random.geometric(0.5, images) - 1, classes - 1)[lesions]
    logits = random.normal(size=(images, classes)) + 2 * np.eye(classes)[label]
    return label, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), lesions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in {"images": 1500, "classes": 7, "resamples": 2000, "repeats": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    labels, probabilities, lesions = predictions(asked.images, asked.classes)
    other = predictions(asked.images, asked.classes, seed=1)[1]
    classes = [f"class {number}" for number in range(asked.classes)]
    values = {name: [f"{name} {row % 5}" for row in range(asked.images)] for name in ("sex", "age", "site")}
    works = {
        "assess": lambda: assess(
            labels, probabilities, classes, lesions, malignant=classes[1:3], resamples=asked.resamples
        ),
        "by_attribute": lambda: by_attribute(
            labels, probabilities, lesions, values, classes=classes, resamples=asked.resamples
        ),
        "compare": lambda: compare(labels, probabilities, other, classes, lesions, resamples=asked.resamples),
    }
    print(f"{asked.images:,} images, {asked.classes} classes, {asked.resamples:,} resamples: minimum seconds")
    for name, work in works.items():
        seconds = []
        for _ in range(asked.repeats):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        print(f"{name:<14}{min(seconds):6.2f}   (maximum {max(seconds):.2f})")


if __name__ == "__main__":
    main()
