"""All scores of a model on some images, each with its interval or the reason why it has none.

result = assess(labels, probabilities, classes, lesions, malignant=["mel", "bcc", "akiec"])
result.headline["balanced_accuracy"]      Estimate(value=0.71, low=0.66, high=0.75, n=1512)
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from residerm.errors import UsageError
from residerm.scores.bootstrap import Bootstrap
from residerm.scores.definitions import HEADLINE, Score, Weighed, headline_score, question_score
from residerm.scores.images import BINS, Images, Question, checked_images
from residerm.scores.results import Assessment, Count, Estimate, Malignancy, ReliabilityBin, Subgroup
from residerm.taxonomy import AGE_BANDS

BY_CLASS = (
    "sensitivity",
    "specificity",
    "precision",
    "negative_predictive_value",
    "f1",
    "auc",
    "average_precision",
    "auc_above_80_sensitivity",
)
MALIGNANCY = (
    "auc",
    "average_precision",
    "auc_above_80_sensitivity",
    "sensitivity",
    "specificity",
    "sensitivity_at_90_specificity",
    "specificity_at_90_sensitivity",
)
BY_ATTRIBUTE = ("accuracy", "balanced_accuracy", "macro_auc")
UNKNOWN = "unknown"
_RESAMPLES_OF_ONE = 500
_ERRORS_TO_95 = 1.96  # standard errors from a score to the ends of its 95 % interval

Key = TypeVar("Key", bound=Hashable)


def assess(
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
    groups: np.ndarray | Sequence[str],
    *,
    predicted: np.ndarray | None = None,
    group_name: str = "lesion",
    malignant: Sequence[str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Assessment:
    """Compute every score of a model: over all classes, by class, and for malignant against benign."""
    images = checked_images(labels, probabilities, classes, groups, predicted)
    bootstrap = Bootstrap(resamples, group_name, seed)
    malignancy = images.malignancy(malignant) if malignant else None
    scores: dict[tuple[Question | None, str], Score] = {(None, name): headline_score(images, name) for name in HEADLINE}
    scores |= {(one, name): question_score(one, name) for one in images.questions for name in BY_CLASS}
    scores |= {(malignancy, name): question_score(malignancy, name) for name in MALIGNANCY if malignancy}
    found = _estimates(images, scores, bootstrap)

    def of(question: Question | None) -> dict[str, Estimate]:
        return {name: estimate for (asked, name), estimate in found.items() if asked is question}

    return Assessment(
        bootstrap=bootstrap.described,
        counts=_counts(images),
        headline=of(None),
        by_class={one.name: of(one) for one in images.questions},
        malignancy=Malignancy(malignant=tuple(malignant), scores=of(malignancy)) if malignant else None,
        confusion=_confusion(images),
        reliability=reliability(images),
    )


def headline_scores(
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
    groups: np.ndarray | Sequence[str],
    *,
    predicted: np.ndarray | None = None,
    group_name: str = "lesion",
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Compute only the scores over all classes."""
    images = checked_images(labels, probabilities, classes, groups, predicted)
    bootstrap = Bootstrap(resamples, group_name, seed)
    return _estimates(images, {name: headline_score(images, name) for name in HEADLINE}, bootstrap)


def standard_error(labels: np.ndarray, probabilities: np.ndarray, groups: np.ndarray, name: str) -> float:
    """The standard error of a headline score under resampling of lesions; 0 if it is undefined."""
    classes = [str(number) for number in range(probabilities.shape[1])]
    images, bootstrap = (
        checked_images(labels, probabilities, classes, groups),
        Bootstrap(_RESAMPLES_OF_ONE, "lesion", 0),
    )
    found = _estimates(images, {name: headline_score(images, name)}, bootstrap)[name]
    if found.interval is None or found.exact:
        return 0.0
    low, high = found.interval
    return (high - low) / (2 * _ERRORS_TO_95)


def by_attribute(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: np.ndarray | Sequence[str],
    values: Mapping[str, Sequence[str]],
    *,
    classes: Sequence[str],
    predicted: np.ndarray | None = None,
    group_name: str = "lesion",
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, list[Subgroup]]:
    """Compute the main scores for each value of each attribute, such as sex; an empty value is unknown, and is last."""
    images = checked_images(labels, probabilities, classes, groups, predicted)
    bootstrap = Bootstrap(resamples, group_name, seed)
    for attribute, texts in values.items():
        if len(texts) != len(images):
            raise UsageError(f"{attribute}: there are {len(texts)} values for {len(images)} images")
    return {attribute: _by_value(images, texts, bootstrap) for attribute, texts in values.items()}


def _estimates(images: Images, scores: Mapping[Key, Score], bootstrap: Bootstrap) -> dict[Key, Estimate]:
    def values(weights: np.ndarray) -> dict[Key, np.ndarray]:
        weighed = Weighed(images, weights)
        return {key: score.compute(weighed) for key, score in scores.items() if score.absent is None}

    found = bootstrap.estimates(values, images.groups)
    return {key: score.estimate(found.get(key), images.groups) for key, score in scores.items()}


def _by_value(images: Images, values: Sequence[str], bootstrap: Bootstrap) -> list[Subgroup]:
    """A row for each value, in alphabetical order or by age."""
    texts = np.array([value or UNKNOWN for value in values])

    def place(value: str) -> tuple[bool, int, str]:
        return value == UNKNOWN, AGE_BANDS.index(value) if value in AGE_BANDS else 0, value

    lines = []
    for value in sorted(set(texts.tolist()), key=place):
        some = images.where(texts == value)
        scores = _estimates(some, {name: headline_score(some, name) for name in BY_ATTRIBUTE}, bootstrap)
        groups = len(np.unique(some.groups))
        classes = len(some.present)
        lines.append(Subgroup(value=value, images=len(some), groups=groups, classes=classes, scores=scores))
    return lines


def _counts(images: Images) -> dict[str, Count]:
    return {
        one.name: Count(images=int(one.positive.sum()), groups=len(np.unique(images.groups[one.positive])))
        for one in images.questions
    }


def _confusion(images: Images) -> list[list[int]]:
    """Counts of images: rows are the true classes, columns the predicted ones."""
    classes = len(images.classes)
    cells = np.bincount(images.labels * classes + images.predicted, minlength=classes**2)
    counts: list[list[int]] = cells.reshape(classes, classes).tolist()
    return counts


def reliability(images: Images) -> list[ReliabilityBin]:
    """Confidence and accuracy in each bin of the predicted class's probability; empty bins are left out."""
    return [
        ReliabilityBin(
            low=number / BINS,
            high=(number + 1) / BINS,
            n=int((images.bin == number).sum()),
            confidence=float(images.confidence[images.bin == number].mean()),
            accuracy=float(images.right[images.bin == number].mean()),
        )
        for number in np.unique(images.bin).tolist()
    ]
