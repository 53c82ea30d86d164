"""The files of a finished run and its evaluations, written without any training.

run = sample_runs.make_run(tmp_path, classes=("mel", "<b>&"))
sample_runs.make_evaluation(run, "ham10000-test", part="test")
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import archives
import numpy as np
import yaml

from residerm.config import Experiment
from residerm.runs import Epoch, Run
from residerm.scores import assess, by_attribute

CLASSES = ("bkl", "mel", "nv")
PARTS = ("train", "validation", "test")


def make_run(folder: Path, classes: Sequence[str] = CLASSES, *, images: int = 60, **changes: Any) -> Run:
    """A finished run; `changes` are written to data.json, with `split` merged into its split."""
    path = folder / "runs" / "20260101-120000-resnet20-ham10000-32px-s0"
    path.mkdir(parents=True)
    labels = {part: _labels(images, len(classes), seed) for seed, part in enumerate(PARTS)}
    made = Run(path)
    (path / "config.yaml").write_text(yaml.safe_dump(Experiment(path=Path("ham10000")).flat() | {"model": "resnet20"}))
    (path / "environment.json").write_text(json.dumps(_ENVIRONMENT))
    (path / "data.json").write_text(json.dumps(_data(classes, labels, changes)))
    write_table(path / "splits.csv", [
        {"image_id": f"{part}-{row}", "group": f"{part}-{row // 2}", "label": classes[label], "part": part}
        for part in PARTS for row, label in enumerate(labels[part])
    ])  # fmt: skip
    scores = {"accuracy": 0.5, "macro_auc": 0.6}
    made.write_epochs([
        Epoch(epoch, 1 / epoch, 0.7, kept_epoch=epoch, seconds=2.5, scores={"log_loss": 1.2 / epoch, **scores})
        for epoch in (1, 2, 3)
    ])  # fmt: skip
    (path / "bundle").mkdir()
    (path / "bundle" / "model.json").write_text(json.dumps(_model(classes, changes.get("synthetic", False))))
    (path / "summary.json").write_text(json.dumps(_SUMMARY))
    return made


def make_evaluation(
    made: Run, name: str = "ham10000-test", *, images: int = 60, strength: float = 2.0, seed: int = 0, **changes: Any
) -> Path:
    """An evaluation with the scores of random predictions; with a strength of 0, they ignore the labels."""
    classes = list(made.model.classes)
    random = np.random.default_rng(seed)
    labels = _labels(images, len(classes), 2)
    logits = random.normal(size=(images, len(classes))) + strength * np.eye(len(classes))[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    groups = [f"test-{row // 2}" for row in range(images)]
    found = assess(labels, probabilities, classes, groups, malignant=classes[1:2], resamples=100).plain()
    assert isinstance(found, dict)
    sexes = [("female", "male", "")[row % 3] for row in range(images)]
    message = by_attribute(labels, probabilities, groups, {"sex": sexes}, classes=classes, resamples=100)
    scores = {
        "format": 1, "archive": "HAM10000", "synthetic": False, "part": "test", "images": images,
        "groups": len(set(groups)), "group_name": "lesion", "classes": classes, "task": "diagnosis", "tta": False,
        "prior": False, "seconds": 1.0, "mapping": None,
        "by_attribute": {name: [one.plain() for one in some] for name, some in message.items()},
        "training": {"images": 60, "headline": found["headline"]}, "gap": {"balanced_accuracy": 0.25, "accuracy": 0.2},
    }  # fmt: skip
    folder = made.folder / "evaluations" / name
    (folder / "gallery").mkdir(parents=True)
    (folder / "scores.json").write_text(json.dumps(scores | found | changes))
    write_table(folder / "predictions.csv", [
        {"image_id": f"test-{row}", "group": groups[row], "label": classes[labels[row]]}
        | {"predicted": classes[probabilities[row].argmax()]}
        | {f"p_{name}": f"{probability:.6f}" for name, probability in zip(classes, probabilities[row], strict=True)}
        | {"sex": sexes[row], "age": "", "site": ""}
        for row in range(images)
    ])  # fmt: skip
    gallery = [_picture(folder, row, labels, probabilities, classes) for row in range(min(images, 60))]
    (folder / "gallery.json").write_text(json.dumps(gallery))
    return folder


def update_json(path: Path, **changes: Any) -> None:
    """Replace fields of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _labels(images: int, classes: int, seed: int) -> np.ndarray:
    """Random labels in which every class occurs and the last one is the most frequent."""
    drawn = np.random.default_rng(seed).choice(classes, images, p=_shares(classes))
    drawn[:classes] = range(classes)
    return drawn


def _shares(classes: int) -> np.ndarray:
    shares = np.ones(classes)
    shares[-1] = classes
    return shares / shares.sum()


def _picture(
    folder: Path, row: int, labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> dict[str, Any]:
    (folder / "gallery" / f"{row}.jpg").write_bytes(archives.make_jpeg(row))
    predicted = int(probabilities[row].argmax())
    return {
        "image_id": f"test-{row}", "file": f"gallery/{row}.jpg", "label": classes[labels[row]],
        "predicted": classes[predicted], "confidence": float(probabilities[row].max()),
        "probability_of_label": float(probabilities[row, labels[row]]),
        "kind": "right" if predicted == labels[row] else "error",
    }  # fmt: skip


def _data(classes: Sequence[str], labels: dict[str, np.ndarray], changes: dict[str, Any]) -> dict[str, Any]:
    parts = {
        part: {
            "images": len(some),
            "groups": (len(some) + 1) // 2,
            "classes": dict(zip(classes, np.bincount(some, minlength=len(classes)).tolist(), strict=True)),
        }
        for part, some in labels.items()
    }
    split = {
        "sha256": "0123abcd" * 8,
        "options": {"split": "lesion", "test": 0.2, "validation": 0.1, "folds": None, "fold": 0, "split_seed": 0},
        "grouped_by": "lesion",
        "parts": parts,
        "shared_groups": {"train and validation": 0, "train and test": 0, "validation and test": 0},
        "test_images_with_lesion_in_training": 0,
    }
    data = {
        "archive": "HAM10000", "synthetic": False, "licence": "CC BY-NC 4.0", "citation": "Tschandl et al. (2018)",
        "flow": [["rows in the table", 180], ["records", 180]], "mapping": None, "left_out": {}, "test_images": 60,
    }  # fmt: skip
    return data | changes | {"split": split | changes.get("split", {})}


def _model(classes: Sequence[str], synthetic: bool) -> dict[str, Any]:
    return {
        "format": 1, "model": "resnet20", "classes": list(classes), "task": "diagnosis",
        "pixels": {"size": 32, "aspect": "squash", "filter": "bicubic", "reduced": True},
        "mean": [0.485, 0.456, 0.406], "deviation": [0.229, 0.224, 0.225],
        "prior": _shares(len(classes)).tolist(), "archive": "HAM10000", "synthetic": synthetic,
        "data_licence": "CC BY-NC 4.0", "data_citation": "Tschandl et al. (2018)", "trained_on": 60,
        "selected_by": "validation macro_auc, epoch 3", "validation": {"macro_auc": 0.6}, "residerm": "0.1.0",
        "disclaimer": "Not a medical device and not a diagnosis: for research and teaching only.",
    }  # fmt: skip


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")


_ENVIRONMENT = {
    "command": ["residerm", "train", "my ham & eggs", "--model", "resnet20"], "started": "2026-01-01T12:00:00+0000",
    "python": "3.11.7", "platform": "Linux", "processor": "", "cores": 2, "versions": {"residerm": "0.1.0"},
}  # fmt: skip
_SUMMARY = {
    "stopped": "all epochs completed", "epochs": 3, "chosen_epoch": 3, "selected_by": "macro_auc",
    "validation": {"macro_auc": 0.6, "accuracy": 0.5}, "minutes": 0.1,
}  # fmt: skip
