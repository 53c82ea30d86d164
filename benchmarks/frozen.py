"""A cheap baseline: logistic regression on frozen features of a network that has seen ImageNet alone.

    python benchmarks/frozen.py ../shared/data/ham10000 --split-seed 10 --validation 0.28 --test 0.02

The features are the means of the maps of several stages, of each image as it is. Regularisation is chosen on a fifth
of the training lesions; the scores are those of the validation part.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from residerm.config import PRESETS, Experiment
from residerm.explanation.stages import stages
from residerm.models import Model
from residerm.scores.assessment import assess
from residerm.training.assembly import initial_model_of, prepare
from trust import text

BATCH = 64
STRENGTHS = (0.0003, 0.003, 0.03)
HEADLINE = ("macro_auc", "balanced_accuracy", "accuracy", "log_loss")


def main() -> None:
    """Extract features, fit, score; print the seconds of each."""
    given = _arguments()
    dataset = prepare(Experiment.from_flat(PRESETS["transfer"] | vars(given), "the command line"))
    records, training, validation = dataset.records, dataset.training_rows, dataset.validation_rows
    began = time.perf_counter()
    model = initial_model_of(dataset).model.eval()
    features = {name: pooled(model, dataset.cache.pixels, rows) for name, rows in
                {"training": training, "validation": validation}.items()}  # fmt: skip
    extracted = time.perf_counter()
    fitted = fit(features["training"], records.labels[training], records.groups[training])
    print(
        f"{features['training'].shape[1]:,} features of {len(features['training']):,} training images: "
        f"{extracted - began:.0f} s; logistic regression: {time.perf_counter() - extracted:.0f} s"
    )
    probabilities = fitted.predict_proba(features["validation"])
    prior = np.bincount(records.labels[training]) / len(training)
    found = assess(
        records.labels[validation], probabilities, records.classes, records.groups[validation],
        predicted=(probabilities / prior).argmax(axis=1), malignant=("akiec", "bcc", "mel"),
    )  # fmt: skip
    for name in HEADLINE:
        print(f"{name}: {text(found.headline[name])}")
    if found.malignancy is not None:
        print(f"malignant or benign, AUC: {text(found.malignancy.scores['auc'])}")


@torch.inference_mode()
def pooled(model: Model, pixels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The mean of the maps of every stage, side by side."""
    found: dict[str, Tensor] = {}
    handles = [
        model.network.get_submodule(name).register_forward_hook(
            lambda _, __, maps, name=name: found.update({name: maps.mean(dim=(2, 3))})
        )
        for name in stages(model)
    ]
    every = []
    for start in range(0, len(rows), BATCH):
        batch = torch.from_numpy(pixels[rows[start : start + BATCH]]).permute(0, 3, 1, 2).float()
        model(batch)
        every.append(torch.cat(list(found.values()), dim=1).numpy())
    for handle in handles:
        handle.remove()
    return np.concatenate(every)


def fit(features: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> Pipeline:
    """Logistic regression of the strength that has the lowest loss on a fifth of the lesions."""
    fitting, judging = next(GroupShuffleSplit(1, test_size=0.2, random_state=0).split(features, labels, groups))

    def loss(strength: float) -> float:
        fitted = _regression(strength).fit(features[fitting], labels[fitting])
        return float(log_loss(labels[judging], fitted.predict_proba(features[judging]), labels=np.unique(labels)))

    best = min(STRENGTHS, key=loss)
    print(f"C = {best}")
    return _regression(best).fit(features, labels)


def _regression(strength: float) -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=200))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="An archive.")
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--split-seed", type=int, default=10)
    parser.add_argument("--validation", type=float, default=0.1)
    parser.add_argument("--test", type=float, default=0.2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
