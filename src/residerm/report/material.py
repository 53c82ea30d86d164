"""What a report is written from: the files of a finished run and of its evaluations, read and checked once.

    material = read_material(run)      material.main is the evaluation of the run's own test part

A run that did not finish, or a file that is damaged, is one clear error. An evaluation without its scores.json was
broken off: it is left out, and named in `left_out`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from residerm.report.estimates import counted
from residerm.runs import Run, RunError

_FORMAT = 1
_NEEDED = (
    "archive", "synthetic", "part", "images", "groups", "group_name", "classes", "tta", "prior", "mapping", "bootstrap",
    "counts", "headline", "by_class", "malignancy", "confusion", "reliability", "by_attribute", "training", "gap",
)  # fmt: skip


@dataclass(frozen=True)
class Evaluation:
    """One folder of `evaluations/`: a model's scores on some images."""

    folder: Path
    scores: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The folder's name, which tells archive, part and variant."""
        return self.folder.name

    @property
    def classes(self) -> list[str]:
        """The classes, in the order of probabilities and of the confusion matrix."""
        return list(self.scores["classes"])

    @property
    def group_name(self) -> str:
        """What images belong together by: lesion, patient, or image where the archive does not tell."""
        return str(self.scores["group_name"] or "image")

    @property
    def size(self) -> str:
        """How many images of how many lesions it rests on."""
        images, groups = self.scores["images"], self.scores["groups"]
        return counted(images, "image") + (
            "" if self.group_name == "image" else f" of {counted(groups, self.group_name)}"
        )

    @property
    def plain(self) -> bool:
        """Whether the answers are those of the model as it was trained, to each image once."""
        changed = self.scores["tta"] or self.scores["prior"] or self.scores.get("decide") == "balanced"
        return not (changed or self.scores["mapping"])

    @cached_property
    def predictions(self) -> list[dict[str, str]]:
        """The rows of predictions.csv."""
        path = self.folder / "predictions.csv"
        try:
            with path.open(newline="", encoding="utf-8") as stream:
                rows = list(csv.DictReader(stream))
        except (OSError, UnicodeDecodeError) as error:
            raise _damaged(path, str(error)) from error
        missing = {"label", *(f"p_{name}" for name in self.classes)} - set(rows[0] if rows else ())
        if missing:
            raise _damaged(path, f"column {min(missing)} is missing" if rows else "it has no rows")
        return rows

    @cached_property
    def gallery(self) -> list[dict[str, Any]]:
        """The images that were chosen to be shown; none where the evaluation chose none."""
        path = self.folder / "gallery.json"
        return list(_read_json(path)) if path.exists() else []

    @cached_property
    def comparison(self) -> Mapping[str, Any] | None:
        """How it compares with another run on the same images, where that was asked for."""
        path = self.folder / "comparison.json"
        return dict(_read_json(path)) if path.exists() else None


@dataclass(frozen=True)
class Material:
    """Everything that a report or a card says."""

    run: Run
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    data: Mapping[str, Any]
    model: Mapping[str, Any]
    summary: Mapping[str, Any]
    metrics: Sequence[Mapping[str, str]]
    split_counts: Mapping[str, Mapping[str, int]]
    main: Evaluation | None
    others: Sequence[Evaluation]
    left_out: Sequence[str]

    @property
    def synthetic(self) -> bool:
        """Whether any image was drawn, in training or in the test."""
        return bool(self.model["synthetic"] or (self.main and self.main.scores["synthetic"]))


def read_material(run: Run) -> Material:
    """Read a finished run and its evaluations."""
    summary = run.summary
    if summary is None:
        raise RunError(
            f"{run.folder} has not finished training, so that there is nothing to report: "
            f"residerm train --resume {run.folder} goes on with it"
        )
    model, data = run.read_json("bundle/model.json"), run.read_json("data.json")
    evaluations, left_out = _evaluations(run.folder / "evaluations")
    main = _main(evaluations, model["archive"])
    return Material(
        run=run,
        config=_config(run.folder / "config.yaml"),
        environment=run.read_json("environment.json"),
        data=data,
        model=model,
        summary=summary,
        metrics=run.metrics(),
        split_counts=_groups_by_class(run.folder / "splits.csv"),
        main=main,
        others=[one for one in evaluations if one is not main],
        left_out=left_out,
    )


def read_evaluation(folder: Path) -> Evaluation:
    """One evaluation; its scores.json must be whole."""
    path = folder / "scores.json"
    scores = _read_json(path)
    if not isinstance(scores, dict) or scores.get("format") != _FORMAT:
        raise _damaged(path, f"it is not of format {_FORMAT}")
    missing = [name for name in _NEEDED if name not in scores]
    if missing:
        raise _damaged(path, f"{missing[0]} is missing")
    return Evaluation(folder, scores)


def _evaluations(parent: Path) -> tuple[list[Evaluation], list[str]]:
    """The evaluations by name, and the names of those that were broken off."""
    folders = sorted(path for path in parent.glob("*") if path.is_dir() and not path.name.startswith("."))
    whole = [folder for folder in folders if (folder / "scores.json").exists()]
    return [read_evaluation(folder) for folder in whole], [folder.name for folder in folders if folder not in whole]


def _main(evaluations: Sequence[Evaluation], archive: str) -> Evaluation | None:
    """The run's own test part: as the model answers by itself, and whole, where that was scored; then the newest."""
    own = [one for one in evaluations if one.scores["part"] == "test" and one.scores["archive"] == archive]

    def rank(one: Evaluation) -> tuple[bool, bool, float]:
        return one.plain, one.comparison is None, (one.folder / "scores.json").stat().st_mtime

    return max(own, key=rank, default=None)


def _groups_by_class(path: Path) -> dict[str, dict[str, int]]:
    """How many lesions each class has in each part: class → part → lesions."""
    groups: dict[str, dict[str, set[str]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                groups.setdefault(row["label"], {}).setdefault(row["part"], set()).add(row["group"])
    except (OSError, UnicodeDecodeError, KeyError) as error:
        raise RunError(f"{path} cannot be read ({error!r}): the run is damaged; train it anew") from error
    return {name: {part: len(members) for part, members in parts.items()} for name, parts in groups.items()}


def _config(path: Path) -> dict[str, Any]:
    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, ValueError) as error:
        raise RunError(f"{path} cannot be read: the run is damaged; train it anew") from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, why: str) -> RunError:
    return RunError(f"{path} cannot be used ({why}): remove the folder {path.parent} and run `residerm evaluate` again")
