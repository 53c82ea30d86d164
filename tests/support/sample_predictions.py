"""Random predictions to score."""

import numpy as np


def make_predictions(
    images: int, classes: int, seed: int = 0, ties: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities and lesions of one to three images; about two thirds are right, with optional ties."""
    random = np.random.default_rng(seed)
    lesions = np.repeat(np.arange(images), random.integers(1, 4, images))[:images]
    labels = np.append(np.arange(classes), random.integers(classes, size=images))[lesions]
    logits = random.normal(size=(images, classes)) + 1.5 * np.eye(classes)[labels]
    likely = np.exp(np.round(logits) if ties else logits)
    return labels, likely / likely.sum(axis=1, keepdims=True), lesions
