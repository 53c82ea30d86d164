"""Random logits and features with labels and lesions, as a model would produce them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from residerm.outputs import Outputs
from residerm.trust import Trust

CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
SHARES = (0.06, 0.1, 0.15, 0.05, 0.15, 0.42, 0.07)


@dataclass(frozen=True)
class LabelledOutputs:
    """Outputs of labelled images."""

    logits: np.ndarray
    features: np.ndarray
    labels: np.ndarray
    groups: np.ndarray

    @property
    def outputs(self) -> Outputs:
        return Outputs(self.logits, self.features)


def make_outputs(
    lesions: int = 400, seed: int = 0, sharpness: float = 2.0, *, alone: bool = False, width: int = 12
) -> LabelledOutputs:
    """Outputs of one to three images per lesion; a `sharpness` above 1 makes them overconfident."""
    generator = np.random.default_rng(seed)
    classes = len(CLASSES)
    drawn = generator.choice(classes, size=lesions - 2 * classes, p=SHARES)
    own = np.append(np.arange(classes).repeat(2), drawn)
    images = np.ones(len(own), dtype=int) if alone else generator.integers(1, 4, size=len(own))
    labels, groups = own.repeat(images), np.arange(len(own)).repeat(images)
    evidence = generator.normal(size=(len(own), classes)).repeat(images, axis=0) * 0.7
    evidence += generator.normal(size=(len(labels), classes)) * 0.7 + 2.2 * np.eye(classes)[labels]
    centres = np.random.default_rng(99).normal(size=(classes, width)) * 2
    features = centres[labels] + generator.normal(size=(len(labels), width)) * np.linspace(0.3, 2, width)
    return LabelledOutputs((sharpness * evidence).astype(np.float32), features.astype(np.float32), labels, groups)


def make_trust(validation: LabelledOutputs | None = None, **options: object) -> Trust:
    """Trust fitted on random outputs."""
    validation, training = validation or make_outputs(), make_outputs(600, seed=7)
    return Trust.fit(
        validation.logits, validation.labels, validation.groups, validation.features, training.features,
        training.labels, classes=CLASSES, **options,  # type: ignore[arg-type]
    )  # fmt: skip
