"""`MODEL_CARD.md`, in the format of model hubs.

    write_card(run)      writes or replaces MODEL_CARD.md in the run's folder

Everything that the run contains is filled in. What only a person can know is left as a prompt, marked [TO FILL IN].
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import NotRequired, TypedDict

import yaml
from markupsafe import Markup

from residerm.files import new_file
from residerm.report import origins, sentences, tables
from residerm.report.cautions import cautions
from residerm.report.estimates import SCORES, ScoreText
from residerm.report.licence import Consequence, consequence
from residerm.report.material import Material, read_material, size_of
from residerm.report.sentences import Reading
from residerm.report.template import environment
from residerm.report.trust import shown_trust
from residerm.runs import Evaluation, Run
from residerm.scores import Estimate

_HUB_NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "macro_auc": "roc_auc",
    "macro_f1": "f1",
}
_LIMITS = ("sensitivity", "precision", "auc")
_MARKDOWN = re.compile(r"([\\`*_\[\]|])")


class CardScores(TypedDict):
    """What the template shows of the main evaluation."""

    size: str
    found: str
    headline: list[tables.HeadlineRow]
    calibration: str
    by_class: list[tables.ScoreRow]
    by_class_scores: list[ScoreText]
    malignancy: list[tuple[ScoreText, Estimate]]
    malignancy_found: str


class HubMetric(TypedDict):
    """One score in the format of model hubs."""

    type: str
    name: str
    value: float
    args: NotRequired[dict[str, list[float]]]


class HubResult(TypedDict):
    """The scores of one evaluation in the format of model hubs."""

    task: dict[str, str]
    dataset: dict[str, str]
    metrics: list[HubMetric]


FrontMatter = TypedDict(  # not a class, because one of its keys is not an identifier
    "FrontMatter",
    {
        "license": str,
        "library_name": str,
        "pipeline_tag": str,
        "tags": list[str],
        "metrics": list[str],
        "model-index": list[dict[str, str | list[HubResult]]],
    },
)


def write_card(run: Run) -> Path:
    """Write or replace the run's MODEL_CARD.md."""
    card = _card(read_material(run))
    path = run.folder / "MODEL_CARD.md"
    with new_file(path, replace=True) as partial:
        partial.write_text(card, encoding="utf-8", errors="replace")  # paths need not be valid UTF-8
    return path


def _card(material: Material) -> str:
    licence = consequence(material.data.licence)
    changed, _ = tables.options(material.experiment)
    context = {
        "front_matter": Markup(yaml.safe_dump(_front_matter(material, licence), sort_keys=False, allow_unicode=True)),
        "material": material,
        "licence": licence,
        "cautions": cautions(material),
        "split_text": origins.split(material.data),
        "training_text": origins.training(material),
        "parts": tables.PARTS,
        "distribution": tables.distribution(material),
        "changed": changed,
        "command": Markup(tables.command(material.environment).replace("\n", " ")),
        "meaning": tables.meaning,
        "main": material.main,
        "external": _external(material),
        "trust": shown_trust(material.main) if material.main else None,
    }
    template = environment(autoescape=False, finalize=_plain).get_template("card.md")
    if material.main is None:
        return template.render(context)
    return template.render(context, **_scores(material.main))


def _scores(main: Evaluation) -> CardScores:
    reading = Reading(main)
    malignancy = tables.malignancy(main)
    return {
        "size": size_of(main),
        "found": sentences.found(reading),
        "headline": tables.headline(main),
        "calibration": sentences.calibration(reading),
        "by_class": tables.by_class(main, _LIMITS),
        "by_class_scores": [SCORES[name] for name in _LIMITS],
        "malignancy": malignancy,
        "malignancy_found": sentences.malignancy(main.scores.malignancy.scores) if main.scores.malignancy else "",
    }


def _external(material: Material) -> list[str]:
    """A sentence for each evaluation on another archive than the run's own."""
    elsewhere = [one.scores for one in material.others if one.scores.part == "all"]
    found = {
        scores.archive: f"{scores.archive}, {scores.images:,} images, balanced accuracy "
        + SCORES["balanced_accuracy"].text(scores.headline["balanced_accuracy"])
        for scores in elsewhere
    }
    return list(found.values())


def _front_matter(material: Material, licence: Consequence) -> FrontMatter:
    """The metadata for model hubs: licence, tags and scores."""
    model = material.model
    tags = ["image-classification", "dermoscopy", "skin-lesion", "residerm", model.model]
    return {
        "license": licence.identifier,
        "library_name": "residerm",
        "pipeline_tag": "image-classification",
        "tags": tags + ["synthetic-data"] * material.synthetic + ["non-commercial"] * licence.non_commercial,
        "metrics": sorted(_HUB_NAMES.values()),
        "model-index": [{"name": f"{model.model} on {model.archive}", "results": _results(material.main)}],
    }


def _results(main: Evaluation | None) -> list[HubResult]:
    if main is None:
        return []
    reading = Reading(main)
    found = {name: reading.score(name) for name in _HUB_NAMES}
    metrics: list[HubMetric] = [
        _metric(name, one.value, one.interval) for name, one in found.items() if one.value is not None
    ]
    kind = re.sub(r"[^a-z0-9]+", "-", main.scores.archive.lower()).strip("-")
    dataset = {"type": kind, "name": main.scores.archive, "split": main.scores.part}
    return [{"task": {"type": "image-classification"}, "dataset": dataset, "metrics": metrics}]


def _metric(name: str, value: float, interval: tuple[float, float] | None) -> HubMetric:
    metric: HubMetric = {"type": _HUB_NAMES[name], "name": SCORES[name].title, "value": round(value, 4)}
    if interval:
        metric["args"] = {"interval_95": [round(bound, 4) for bound in interval]}
    return metric


def _plain(value: object) -> object:
    """Escape Markdown and HTML in a text; `Markup` is left as it is."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return _MARKDOWN.sub(r"\\\1", html.escape(re.sub(r"\s+", " ", value), quote=False))
