"""The tables of a report: rows of what is shown, from what was read. Pages and cards only lay them out."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from residerm.config import Experiment
from residerm.errors import listed
from residerm.report.estimates import HEADLINE, SCORES, Score
from residerm.report.material import Material
from residerm.report.sentences import Reading, sentence
from residerm.runs import Environment, Evaluation
from residerm.scores import Estimate
from residerm.taxonomy import NAMES

BY_CLASS = (
    "sensitivity", "specificity", "precision", "negative_predictive_value", "f1", "auc", "average_precision",
    "auc_above_80_sensitivity",
)  # fmt: skip
BY_ATTRIBUTE = ("balanced_accuracy", "macro_auc", "accuracy")
OF_OTHERS = ("balanced_accuracy", "macro_auc", "accuracy", "log_loss", "calibration_error")
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class HeadlineRow:
    """One headline score and what it says."""

    name: str
    score: Score
    estimate: Estimate
    sentence: str


@dataclass(frozen=True)
class ScoreRow:
    """Something that has images, and its scores."""

    name: str
    meaning: str
    images: int
    groups: int
    estimates: Sequence[Estimate]


@dataclass(frozen=True)
class ClassRow:
    """How many images and lesions a class has in each part."""

    name: str
    meaning: str
    images: Sequence[int]
    groups: Sequence[int]
    share: float


def headline(evaluation: Evaluation) -> list[HeadlineRow]:
    """Every headline score that the evaluation has, with its sentence."""
    reading = Reading(evaluation)
    return [
        HeadlineRow(name, SCORES[name], reading.score(name), sentence(name, reading))
        for name in HEADLINE
        if name in evaluation.scores.headline
    ]


def by_class(evaluation: Evaluation, names: Sequence[str] = BY_CLASS) -> list[ScoreRow]:
    """The scores of each class against the rest."""
    counts, scores = evaluation.scores.counts, evaluation.scores.by_class
    return [
        ScoreRow(
            name,
            meaning(name),
            counts[name].images,
            counts[name].groups,
            [scores[name][score] for score in names],
        )
        for name in evaluation.scores.classes
    ]


def by_attribute(evaluation: Evaluation) -> dict[str, list[ScoreRow]]:
    """The scores by sex, age band and site, where they are known of any image."""
    return {
        attribute: [
            ScoreRow(line.value, "", line.images, line.groups, [line.scores[score] for score in BY_ATTRIBUTE])
            for line in lines
        ]
        for attribute, lines in evaluation.scores.by_attribute.items()
        if any(line.value != "unknown" for line in lines)
    }


def malignancy(evaluation: Evaluation) -> list[tuple[Score, Estimate]]:
    """The scores of the malignant-or-benign reading; none where the classes do not allow it."""
    given = evaluation.scores.malignancy
    return [(SCORES[name], one) for name, one in given.scores.items()] if given else []


def distribution(material: Material) -> list[ClassRow]:
    """The classes with their images and lesions in each part, the largest first."""
    parts = material.data.split.parts
    total = sum(parts[part].images for part in PARTS) or 1
    rows = []
    for name in material.model.classes:
        images = [parts[part].classes.get(name, 0) for part in PARTS]
        groups = [material.split_counts.get(name, {}).get(part, 0) for part in PARTS]
        rows.append(ClassRow(name, meaning(name), images, groups, sum(images) / total))
    return sorted(rows, key=lambda row: -sum(row.images))


def options(experiment: Experiment) -> tuple[dict[str, str], dict[str, str]]:
    """The options that differ from their defaults, and the others."""
    config, defaults = experiment.flat(), Experiment(path=Path()).in_effect().flat()
    texts = {name: _option(value) for name, value in config.items()}
    changed = {name: text for name, text in texts.items() if name == "path" or config[name] != defaults.get(name)}
    return changed, {name: text for name, text in texts.items() if name not in changed}


def command(environment: Environment) -> str:
    """The command that was given, to be given again."""
    return shlex.join(environment.command)


def variant(evaluation: Evaluation) -> str:
    """What an evaluation did beyond asking the model once."""
    scores = evaluation.scores
    said = ["mean of eight views"] * scores.tta + ["divided by the training’s prior"] * scores.prior
    said += ["classes named beside their share in training"] * (scores.decide == "balanced")
    if scores.mapping:
        said.append(f"in the classes {listed(scores.classes)}")
    if evaluation.comparison:
        said.append(f"images that {evaluation.comparison.against} does not know either")
    return ", ".join(said)


def others(evaluations: Sequence[Evaluation]) -> list[ScoreRow]:
    """The main scores of other evaluations."""
    return [
        ScoreRow(
            one.name,
            "; ".join(filter(None, (f"{one.scores.archive}, {one.scores.part} part", variant(one), unmapped(one)))),
            one.scores.images,
            one.scores.groups,
            [Reading(one).score(name) for name in OF_OTHERS],
        )
        for one in evaluations
    ]


def unmapped(evaluation: Evaluation) -> str:
    """The classes of another archive that have no counterpart in the model's, and how many images that left out."""
    mapping = evaluation.scores.mapping
    lost = [f"{name} ({count:,} images)" for name, count in mapping.unmapped.items()] if mapping else []
    return f"left out: {', '.join(lost)}" if lost else ""


def meaning(name: str) -> str:
    """The full name of a diagnosis, where the class's name is its code."""
    full = NAMES.get(name, "")
    return full if full != name else ""


def _option(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)
