"""The tables of a report, as rows; pages and cards only lay them out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from residerm.config import Experiment, TrainOptions
from residerm.errors import listed
from residerm.report.estimates import HEADLINE, SCORES, ScoreText
from residerm.report.material import Material
from residerm.report.sentences import Reading, sentence
from residerm.runs import Environment, Evaluation, EvaluationScores
from residerm.scores import Estimate, Subgroup
from residerm.taxonomy import NAMES

BY_CLASS = (
    "sensitivity", "specificity", "precision", "negative_predictive_value", "f1", "auc", "average_precision",
    "auc_above_80_sensitivity",
)  # fmt: skip
BY_ATTRIBUTE = ("balanced_accuracy", "macro_auc", "accuracy")
OVER_CLASSES = ("balanced_accuracy", "macro_auc")  # means over the classes that have images
FIRST = ("balanced_accuracy", "macro_auc", "accuracy", "calibration_error")
EXACT = "exact interval (Clopper and Pearson), by lesion, because all of them are correct, or none"
_MARKS = "abcdefghijklmnopqrstuvwxyz"
_HOMES = re.compile(r"(?:/home|/Users|[A-Za-z]:\\Users)[/\\][^/\\\s]+")
OF_OTHERS = ("balanced_accuracy", "macro_auc", "accuracy", "log_loss", "calibration_error")
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class HeadlineRow:
    """A headline score and its explanation."""

    name: str
    score: ScoreText
    estimate: Estimate
    sentence: str


@dataclass(frozen=True)
class ScoreRow:
    """The scores of a class, a subgroup or an evaluation."""

    name: str
    meaning: str
    images: int
    groups: int
    estimates: Sequence[Estimate]
    classes: int | None = None  # number of classes with images, if it differs between rows


@dataclass(frozen=True)
class ClassRow:
    """The number of images and lesions of a class in each part."""

    name: str
    meaning: str
    images: Sequence[int]
    groups: Sequence[int]
    share: float


def headline(evaluation: Evaluation) -> list[HeadlineRow]:
    """The headline scores of an evaluation, with their explanations."""
    reading = Reading(evaluation)
    return [
        HeadlineRow(name, SCORES[name], reading.score(name), sentence(name, reading))
        for name in HEADLINE
        if name in evaluation.scores.headline
    ]


def by_class(evaluation: Evaluation, names: Sequence[str] = BY_CLASS) -> list[ScoreRow]:
    """The scores of each class against all others."""
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
    """The scores by sex, age band and site, if these are known for any image."""
    return {
        attribute: [
            ScoreRow(line.value, "", line.images, line.groups, _comparable(line, evaluation.scores), line.classes)
            for line in lines
        ]
        for attribute, lines in evaluation.scores.by_attribute.items()
        if any(line.value != "unknown" for line in lines)
    }


def _comparable(line: Subgroup, scores: EvaluationScores) -> list[Estimate]:
    """The scores of a subgroup; means over classes are only comparable if it has images of all classes."""
    whole = sum(count.images > 0 for count in scores.counts.values())
    fewer = line.classes is not None and line.classes < whole
    unlike = Estimate(absent=f"a mean over fewer than the {whole} classes cannot be compared with other groups")
    return [unlike if fewer and name in OVER_CLASSES else line.scores[name] for name in BY_ATTRIBUTE]


def footnotes(rows: Iterable[ScoreRow]) -> dict[str, str]:
    """The footnotes of a table, with their marks."""
    found = dict.fromkeys(note for row in rows for one in row.estimates if (note := footnote(one)))
    return dict(zip(found, _MARKS, strict=False))


def footnote(estimate: Estimate) -> str:
    """Why a value or an interval is missing, or how else the interval was computed."""
    if estimate.value is None:
        return estimate.reason
    if estimate.exact:
        return EXACT
    return "" if estimate.interval else f"no interval: {estimate.reason}"


@dataclass(frozen=True)
class Card:
    """One of the numbers at the top of a report."""

    title: str
    value: str
    interval: str
    baseline: str = ""


def cards(evaluation: Evaluation) -> list[Card]:
    """The numbers at the top of a report; the sensitivity to malignancy is the first."""
    reading, found = Reading(evaluation), []
    for score, estimate in malignancy(evaluation):
        if score is SCORES["sensitivity"]:
            found.append(_card("Sensitivity to malignancy", score, estimate))
    for name in FIRST:
        estimate = reading.score(name)
        without = f"always {reading.largest}" if name == "accuracy" else "chance level"
        shown = name in reading.baselines and estimate.value is not None
        baseline = f"{without}: {SCORES[name].write(reading.baselines[name])}" if shown else ""
        found.append(_card(SCORES[name].title, SCORES[name], estimate, baseline))
    return found


def _card(title: str, score: ScoreText, estimate: Estimate, baseline: str = "") -> Card:
    value = "–" if estimate.value is None else score.write(estimate.value)
    return Card(title, value, score.bounds(estimate) or estimate.reason, baseline)


def malignancy(evaluation: Evaluation) -> list[tuple[ScoreText, Estimate]]:
    """The scores for malignant against benign; empty if the classes do not allow it."""
    given = evaluation.scores.malignancy
    return [(SCORES[name], one) for name, one in given.scores.items()] if given else []


def distribution(material: Material) -> list[ClassRow]:
    """The images and lesions of each class in each part, the largest class first."""
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
    training = TrainOptions(logit_adjustment=experiment.training.logit_adjustment)  # default class weights depend on it
    default = Experiment(path=Path(), sample=experiment.sample, training=training).in_effect()
    config, defaults = experiment.flat(), Experiment(path=Path()).flat()
    defaults["class_weight_power"] = default.training.class_weight_power
    begins_at_random = not (experiment.network.pretrained or experiment.network.weights)
    if begins_at_random and config["zero_init"]:
        defaults["zero_init"] = True
    texts = {name: _option(value) for name, value in config.items()}
    changed = {name: text for name, text in texts.items() if name == "path" or config[name] != defaults.get(name)}
    return changed, {name: text for name, text in texts.items() if name not in changed}


def command(environment: Environment) -> str:
    """The command that started the run."""
    return shlex.join(map(without_home, environment.command))


def variant(evaluation: Evaluation) -> str:
    """The options of an evaluation that differ from the defaults, as text."""
    scores = evaluation.scores
    variants = ["mean of eight views"] * scores.tta + ["divided by the prior of training"] * scores.prior
    variants += ["classes predicted relative to their frequency in training"] * (scores.decide == "balanced")
    if scores.mapping:
        variants.append(f"in the classes {listed(scores.classes)}")
    if evaluation.comparison:
        variants.append(f"without images that {evaluation.comparison.against} was trained on")
    return ", ".join(variants)


def others(evaluations: Sequence[Evaluation]) -> list[ScoreRow]:
    """The main scores of other evaluations."""
    return [
        ScoreRow(
            one.name,
            _described(one),
            one.scores.images,
            one.scores.groups,
            [Reading(one).score(name) for name in OF_OTHERS],
        )
        for one in evaluations
    ]


def _described(evaluation: Evaluation) -> str:
    """The archive, part and options of an evaluation."""
    what = f"{evaluation.scores.archive}, {evaluation.scores.part} part"
    return "; ".join(filter(None, (what, variant(evaluation), unmapped(evaluation), place(evaluation))))


def place(evaluation: Evaluation) -> str:
    """The path of the archive, and the start of the hash of the scored images."""
    scores = evaluation.scores
    return f"{without_home(scores.path)} (content {scores.content[:12]})" if scores.content else ""


def unmapped(evaluation: Evaluation) -> str:
    """The classes of another archive that the model does not have, with the number of images left out."""
    mapping = evaluation.scores.mapping
    lost = [f"{name} ({count:,} images)" for name, count in mapping.unmapped.items()] if mapping else []
    return f"left out: {', '.join(lost)}" if lost else ""


def meaning(name: str) -> str:
    """The full name of a diagnosis, if the class is named by a code."""
    full = NAMES.get(name, "")
    return full if full != name else ""


def _option(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else without_home(str(value))


def without_home(text: str) -> str:
    """Replace the home folder in a path or command by ~."""
    return _HOMES.sub("~", text)
