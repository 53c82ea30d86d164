"""The scores of every epoch, without intervals, for choosing a checkpoint.

    values, reasons = point_scores(labels, probabilities)

They are computed with scikit-learn where possible. `assess` gives the same values for the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

POINT_SCORES = ("macro_auc", "balanced_accuracy", "accuracy", "majority_accuracy", "macro_f1", "log_loss")
LOWER_IS_BETTER = frozenset({"log_loss"})


class Scores(NamedTuple):
    """Scores by name, and the reasons why others are absent."""

    values: Mapping[str, float]
    reasons: Mapping[str, str]


def point_scores(labels: np.ndarray, probabilities: np.ndarray) -> Scores:
    """Compute the scores that are logged for every epoch and used to choose a checkpoint."""
    from sklearn.metrics import f1_score

    if len(labels) == 0:
        return Scores({}, dict.fromkeys(POINT_SCORES, "there are no images"))
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    counts = np.bincount(labels, minlength=classes)
    present = np.flatnonzero(counts)
    recalls = np.bincount(labels[predicted == labels], minlength=classes)[present] / counts[present]
    values = {
        "balanced_accuracy": float(recalls.mean()),
        "accuracy": float((predicted == labels).mean()),
        "majority_accuracy": float(counts.max() / len(labels)),
        "macro_f1": float(f1_score(labels, predicted, average="macro", labels=present, zero_division=0.0)),
        "log_loss": float(surprise(labels, probabilities).mean()),
    }
    reasons = {}
    if len(present) < classes or classes < 2:
        missing = sorted(set(range(classes)) - set(present.tolist()))
        reasons["macro_auc"] = f"there are no images of class number {', '.join(map(str, missing))}"
    else:
        values["macro_auc"] = macro_auc(labels, probabilities)
    return Scores(values, reasons)


def macro_auc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The mean over classes of the area under the ROC curve of one class against the rest."""
    from sklearn.metrics import roc_auc_score

    classes = range(1, 2) if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    return float(np.mean([roc_auc_score(labels == label, probabilities[:, label]) for label in classes]))


def surprise(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """-log of the probability of the true class; a probability of 0 counts as 1e-38, the smallest of float32."""
    of_label = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    surprises: np.ndarray = -np.log(np.clip(of_label, np.finfo(np.float32).tiny, None))
    return surprises


def is_better(name: str, value: float, best: float | None) -> bool:
    """Whether a score improves on the best so far."""
    if best is None:
        return True
    return value < best if name in LOWER_IS_BETTER else value > best
